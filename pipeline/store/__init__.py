"""The PostgreSQL store: migrations, statements in SQL files, and the code that runs them."""
