"""Every contract that crosses a boundary of onhand. Types and limits only: behaviour lives in `pipeline`."""
