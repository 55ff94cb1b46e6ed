"""What the names of columns mean, in several languages: one table.

A name that is certain makes its column one that onhand reads. All other names here are watched: their columns say
something about what a row does, so that a file is held rather than applied without them.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from schemas.uploads import UploadColumn

_LETTERS: Final = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "\u0131": "i", "ß": "ss"}
)
_TELLING: Final = frozenset("%+±=<>&")
"""What is no letter and yet changes a name: `Qty %` is not `Qty`."""


@lru_cache(maxsize=4096)
def plain_name(name: str) -> str:
    """A name without what people write differently: case, accents, blanks, and marks between words.

    `Bin Location`, `bin-location`, `BinLocation` and `#BIN_LOCATION:` are one name.
    """
    letters = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    return "".join(c for c in letters.translate(_LETTERS) if c.isalnum() or c in _TELLING)


class Sense(StrEnum):
    """What a column is about."""

    SKU = "sku"
    QUANTITY = "quantity"
    LOCATION = "location"
    TO_LOCATION = "destination"
    WAREHOUSE = "warehouse"
    CUSTOMER = "customer"
    ACTION = "action"
    LOT = "lot"
    EXPECTED_QUANTITY = "expected quantity"
    EXPECTED_VERSION = "expected version"
    REASON = "reason"
    NOTE = "note"
    UNIT = "unit of measure"
    CONDITION = "condition"


@dataclass(frozen=True)
class Names:
    """The names of columns of one sense.

    `column`: what onhand reads it as; None where it has nothing of the kind. `certain`: names that are read as the
    column. `watched`: names that may mean it. `offered`: names that may mean it and say nothing where they do not;
    they are only proposed where the column is missing. `harmless`: values beside which a watched column says nothing.
    """

    column: UploadColumn | None
    certain: tuple[str, ...] = ()
    watched: tuple[str, ...] = ()
    offered: tuple[str, ...] = ()
    harmless: tuple[str, ...] = ()


def _names(text: str) -> tuple[str, ...]:
    return tuple(" ".join(name.split()) for name in text.split(",") if name.strip())


_PIECES: Final = _names(
    """each, ea, ea., pc, pcs, pc., pcs., pce, piece, pieces, unit, units, single, singles, item, items, no,
    no., nos, nos., 1, stück, stueck, stk, stk., st, st., einzeln, pièce, pièces, pce., unité, unités, u, ud,
    uds, unidad, unidades, pieza, piezas, pza, pezzo, pezzi, pz, pz., unità, peça, peças, un, un., unidade,
    stuk, stuks, szt, szt., sztuka, sztuki, styck, stycken, stykke, kpl, ks, db"""
)
_AS_NEW: Final = _names(
    """new, brand new, new in box, unused, good, ok, okay, a, a-stock, a-ware, sellable, saleable, salable,
    available, in stock, instock, active, inactive, enabled, disabled, published, draft, archived, listed,
    unlisted, live, open, yes, no, true, false, y, n, 0, 1, 11, neu, neuware, gut, i.o., in ordnung, aktiv,
    inaktiv, verfügbar, lieferbar, lagernd, ja, nein, neuf, neuve, bon, actif, inactif, disponible, en stock,
    oui, non, nuevo, nueva, bueno, activo, activa, inactivo, sí, si, nuovo, nuova, buono, attivo, inattivo,
    disponibile, novo, nova, bom, ativo, inativo, disponível, sim, não, nieuw, goed, actief, inactief,
    beschikbaar, op voorraad, nee, nowy, nowa, nowe, dobry, aktywny, nieaktywny, dostępny, tak, nie, ny,
    nytt, bra, tillgänglig, i lager, nej, discontinued"""
)
_KINDS_OF_PRODUCTS: Final = _names(
    """simple, variable, variation, variant, grouped, external, affiliate, bundle, bundled, configurable,
    virtual, downloadable, product, products, physical, physical product, good, goods, storable,
    storable product, consumable, stock, stocked, inventory, inventory item, item, items, merchandise,
    artikel, produkt, ware, article, produit, artículo, producto, articolo, prodotto, artigo, produto,
    product simple, regular, finished good, raw material"""
)

NAMES: Final = {
    Sense.SKU: Names(
        UploadColumn.SKU,
        certain=_names("sku, product sku"),
        offered=_names(
            """item sku, variant sku, seller sku, merchant sku, sku code, sku number, sku no, item, item no,
            item number, item code, item id, product, product code, product id, product no, product number,
            part, part no, part number, part code, article, article no, article number, article code,
            material, material no, material number, default code, internal reference, reference, model,
            Artikel, Artikelnummer, Artikel-Nr, ArtNr, Artikelnr, Materialnummer, Bestellnummer,
            Produktnummer, référence, code article, code produit, réf, referencia, código,
            código de artículo, artículo, codice, codice articolo, articolo, riferimento, referência,
            código do produto, artigo, artikelnummer, artikelcode, indeks, kod produktu, kod towaru, symbol,
            artikelkod, varenummer, varenr, tuotekoodi"""
        ),
    ),
    Sense.QUANTITY: Names(
        UploadColumn.QUANTITY,
        certain=_names("quantity, qty, on hand"),
        offered=_names(
            """available, stock, in stock, inventory, count, counted, counted qty, counted quantity, units,
            pieces, amount, balance, balance qty, quantity on hand, qty on hand, on hand qty,
            on hand quantity, stock on hand, soh, qoh, stock level, stock quantity, stock qty,
            inventory quantity, inventory qty, inventory level, current stock, current quantity, current qty,
            available quantity, available qty, actual qty, actual quantity, physical quantity, new quantity,
            new qty, total, total quantity, total stock, free stock, Menge, Bestand, Lagerbestand, Anzahl,
            Stückzahl, Ist, Istmenge, Ist-Bestand, verfügbar, verfügbarer Bestand, quantité, qté,
            stock disponible, disponible, en stock, cantidad, cant, existencias, existencia, quantità, qta,
            giacenza, disponibilità, disponibile, quantidade, qtd, qtde, estoque, saldo, aantal, voorraad,
            hoeveelheid, ilość, stan, stan magazynowy, antal, lagersaldo, beholdning, antall, määrä"""
        ),
    ),
    Sense.LOCATION: Names(
        UploadColumn.LOCATION,
        certain=_names("location, location name, from location, bin"),
        watched=_names(
            """from, from loc, from shelf, source, origin, von, Quelle, Quellplatz, de, da, desde, origine, origen,
            van, od, från, fra, bin location, bin name, bin code, bin id, bin no, bin number, bin label, from bin,
            source bin, source location, origin bin, loc, loc code, loc id, loc name, location code, location id,
            location no, location number, location label, location barcode, stock location,
            inventory location, storage location, storage bin, storage unit, warehouse location,
            warehouse bin, item location, product location, pick location, pick face, picking location,
            picking bin, pickbin, shelf, shelf location, shelf no, shelf number, shelf code, shelf name,
            rack, rack location, rack no, rack number, aisle, bay, slot, zone, tote, pallet location, place,
            Lagerplatz, Lagerplätze, Lagerfach, Lagerort, Lagerplatznummer, Lagerplatz-Nr, Platz,
            Platznummer, Stellplatz, Fach, Fachnummer, Regal, Regalfach, Regalplatz, Regalnummer, Standort,
            Bereich, Von Lagerplatz, Von Platz, emplacement, emplacement de stockage, emplacement source,
            étagère, rayon, casier, allée, rayonnage, ubicación, ubicacion origen, estante, estantería,
            anaquel, pasillo, casilla, scaffale, ubicazione, corsia, ripiano, scomparto, localização,
            localizacao, endereço de estoque, prateleira, corredor, locatie, stelling, schap, vak,
            magazijnlocatie, opslaglocatie, lokalizacja, półka, regał, lokacja, miejsce, miejsce składowania,
            lagerplats, hylla, hyllplats, plats, fack, lokation, hylde, placering, hyllplass, plassering,
            hyllypaikka, varastopaikka"""
        ),
    ),
    Sense.TO_LOCATION: Names(
        UploadColumn.TO_LOCATION,
        certain=_names("to location, to bin"),
        watched=_names(
            """to, to loc, to shelf, to location name, destination, destination bin, destination location, dest,
            dest bin, dest location, target, target bin, target location, new bin, new location, move to,
            transfer to, put away location, putaway location, putaway bin, nach, Nach Lagerplatz, Nach Platz,
            Ziel, Zielplatz, Ziel-Lagerplatz, Zielort, Ziellagerplatz, emplacement de destination,
            emplacement cible, destino, ubicación destino, ubicación de destino, destinazione,
            ubicazione di destinazione, localização de destino, doellocatie, naar locatie, bestemming,
            lokalizacja docelowa, cel, miejsce docelowe, till plats, målplats, destinasjon"""
        ),
    ),
    Sense.WAREHOUSE: Names(
        UploadColumn.WAREHOUSE,
        certain=_names("warehouse, warehouse id, warehouse name"),
        watched=_names(
            """warehouse code, warehouse no, warehouse number, whse, whs, wh, whse code, warehouse key,
            from warehouse, site, site id, site code, site name, source code, source name, inventory source,
            depot, depot id, depot name, depot code, store, store id, store code, store name, store number,
            store no, shop, branch, branch id, branch code, branch name, plant, plant code, facility,
            facility id, facility name, facility code, fulfillment center, fulfilment centre,
            fulfillment centre, fulfilment center, fc, distribution center, distribution centre, dc,
            stock site, stock room, stockroom, inventory location, stock location, storage location,
            location, location name, outlet, outlet name, hub, hub code, node, ship node, Lager, Lagername,
            Lagernummer, Lager-Nr, Lagerort, Lagerstandort, Lagerhaus, Läger, Standort, Standortname,
            Filiale, Filialnummer, Filial-Nr, Niederlassung, Werk, Niederlage, Zweigstelle, Betriebsstätte,
            entrepôt, dépôt, magasin, site logistique, succursale, almacén, bodega, depósito, sucursal,
            tienda, sede, magazzino, deposito, filiale, negozio, punto vendita, armazém, loja, filial,
            depósito de origem, magazijn, vestiging, filiaal, winkel, magazyn, nazwa magazynu, kod magazynu,
            sklep, oddział, filia, lagerställe, lagerställen, butik, lagersted, varasto, myymälä"""
        ),
    ),
    Sense.CUSTOMER: Names(
        UploadColumn.CUSTOMER_ACCOUNT_ID,
        certain=_names("customer account id, customer account"),
        watched=_names(
            """customer, customer id, customer no, customer number, customer code, customer name, client,
            client id, client no, client code, client name, client account, owner, owner id, owner code,
            owner name, stock owner, inventory owner, merchant, merchant id, merchant name, account,
            account id, account name, account code, tenant, tenant id, depositor, consignor, principal,
            3pl customer, 3pl client, seller, seller id, seller name, Kunde, Kundennummer, Kunden-Nr,
            KundenNr, Kundenname, Kundennr, Mandant, Mandantennummer, Mandanten-Nr, Auftraggeber, Eigentümer,
            Besitzer, Einlagerer, Debitor, donneur d'ordre, propriétaire, code client, nom du client,
            cliente, código de cliente, propietario, dueño, depositante, proprietario, codice cliente,
            mandante, committente, proprietário, código do cliente, inquilino, klant, klantnummer, klantnaam,
            eigenaar, opdrachtgever, klient, kod klienta, właściciel, zleceniodawca, kontrahent, kund,
            kundnummer, ägare, uppdragsgivare, ejer, eier, asiakas, omistaja"""
        ),
    ),
    Sense.ACTION: Names(
        UploadColumn.ACTION,
        certain=_names("action"),
        watched=_names(
            """type, movement, movement type, move type, stock movement, stock movement type, operation,
            operation type, transaction, transaction type, trans type, txn type, adjustment type, adjustment,
            change type, inventory action, stock action, mode, direction, in out, in/out, debit credit, sign,
            update type, Bewegung, Bewegungsart, Buchungsart, Buchungstyp, Vorgang, Vorgangsart, Aktion, Art,
            Typ, Richtung, Lagerbewegung, Soll/Haben, mouvement, type de mouvement, opération,
            type d'opération, sens, movimiento, tipo de movimiento, operación, tipo, tipo de operación,
            acción, movimento, tipo di movimento, tipo movimento, operazione, causale, azione, operação,
            tipo de movimento, tipo de movimentação, ação, movimentação, beweging, mutatie, mutatietype,
            bewerking, soort, actie, ruch, typ ruchu, rodzaj ruchu, operacja, typ operacji, akcja, rörelse,
            rörelsetyp, åtgärd, bevægelse, bevegelse, tapahtuma, tapahtumatyyppi"""
        ),
        harmless=_KINDS_OF_PRODUCTS,
    ),
    Sense.LOT: Names(
        UploadColumn.LOT,
        certain=_names("lot, lot id, lot number"),
        watched=_names(
            """lot no, lot nr, lot code, lot name, lot serial number, lot/serial, lot/serial number, batch,
            batch no, batch id, batch number, batch code, batch name, serial, serial no, serial number,
            serial numbers, serial nos, Charge, Chargennummer, Chargen-Nr, ChargenNr, Charge-Nr, Los,
            Losnummer, Partie, Partienummer, Seriennummer, Serien-Nr, SerienNr, numéro de lot, n° de lot,
            n° lot, no de lot, numéro de série, n° de série, lote, número de lote, nº de lote, n.º de lote,
            número de serie, lotto, numero lotto, numero di lotto, n. lotto, matricola, numero di serie,
            número de série, partij, partijnummer, chargenummer, batchnummer, lotnummer, serienummer, partia,
            numer partii, seria, numer serii, numer seryjny, parti, partinummer, batchnr, serienr, erä,
            eränumero, sarjanumero"""
        ),
    ),
    Sense.EXPECTED_QUANTITY: Names(
        UploadColumn.EXPECTED_QUANTITY,
        certain=_names("expected quantity"),
        watched=_names(
            """expected, expected qty, expected stock, expected count, expected on hand, previous, previous qty,
            previous quantity, previous stock, prev qty, old qty, old quantity, old stock, qty before,
            quantity before, before, system qty, system quantity, system stock, system count, system on hand,
            book qty, book quantity, book stock, theoretical qty, theoretical quantity, theoretical stock,
            Soll, Sollmenge, Sollbestand, Soll-Bestand, Soll-Menge, Erwartet, erwartete Menge, Buchbestand,
            alter Bestand, Bestand alt, quantité attendue, qté attendue, stock théorique, quantité théorique,
            ancien stock, ancienne quantité, cantidad esperada, existencia teórica, stock teórico,
            cantidad anterior, stock anterior, quantità attesa, giacenza teorica, quantità prevista,
            quantità precedente, quantidade esperada, estoque esperado, quantidade anterior,
            estoque anterior, verwacht, verwacht aantal, verwachte hoeveelheid, vorige voorraad,
            oude voorraad, oczekiwana ilość, stan oczekiwany, poprzednia ilość, stan poprzedni,
            förväntat antal, förväntat saldo, tidigare antal, forventet antal, forventet antall,
            odotettu määrä"""
        ),
    ),
    Sense.EXPECTED_VERSION: Names(UploadColumn.EXPECTED_VERSION, certain=_names("expected version")),
    Sense.REASON: Names(UploadColumn.REASON, certain=_names("reason")),
    Sense.NOTE: Names(UploadColumn.NOTE, certain=_names("note, comment")),
    Sense.UNIT: Names(
        None,
        watched=_names(
            """uom, unit, unit of measure, units of measure, unit of measurement, measure unit, stock uom,
            stock unit, stock keeping unit of measure, base unit, inventory unit, qty unit, quantity unit,
            unit code, uom code, uom id, product uom, purchase uom, sales uom, Einheit, Mengeneinheit, ME,
            Maßeinheit, Basiseinheit, Lagereinheit, Verpackungseinheit, unité, unité de mesure,
            unité de stock, unidad, unidad de medida, unidad de stock, unità, unità di misura, um, u.m.,
            unidade, unidade de medida, eenheid, maateenheid, jednostka, jednostka miary, j.m., jm, enhet,
            måttenhet, enhed, måleenhed, yksikkö"""
        ),
        harmless=_PIECES,
    ),
    Sense.CONDITION: Names(
        None,
        watched=_names(
            """condition, item condition, product condition, stock condition, condition code, quality,
            quality status, grade, status, stock status, inventory status, stock state, inventory state,
            item status, disposition, Zustand, Artikelzustand, Qualität, Qualitätsstatus, Bestandsstatus,
            Bestandsart, Lagerstatus, Sperrkennzeichen, état, état du stock, statut, statut du stock,
            qualité, estado, estado del stock, condición, calidad, stato, stato stock, condizione,
            condizioni, qualità, situação, condição, qualidade, toestand, conditie, staat, kwaliteit,
            voorraadstatus, stan towaru, stan jakościowy, jakość, skick, tillstånd, kvalitet, lagerstatus,
            tilstand, kunto, tila"""
        ),
        harmless=_AS_NEW,
    ),
}
"""In English, German, French, Spanish, Italian, Portuguese, Dutch, Polish, Swedish, and some of their neighbours."""

CERTAIN: Final = {plain_name(name): names.column for names in NAMES.values() for name in names.certain}
"""The column that a plain name means without doubt."""


def _by_name() -> Iterator[tuple[str, Sense]]:
    for sense, names in NAMES.items():
        for name in names.watched:
            yield plain_name(name), sense


def _senses() -> dict[str, tuple[Sense, ...]]:
    found: dict[str, tuple[Sense, ...]] = {}
    for name, sense in _by_name():
        found[name] = tuple(dict.fromkeys((*found.get(name, ()), sense)))
    return found


WATCHED: Final = _senses()
"""What a plain name may mean, where a column of that name says something about what a row does."""

OFFERED: Final = {
    sense.value: frozenset(map(plain_name, NAMES[sense].offered)) for sense in (Sense.SKU, Sense.QUANTITY)
}
"""For each required column the plain names that may mean it."""


def harmless_values(senses: tuple[Sense, ...]) -> frozenset[str]:
    """Values in lower case beside which a column of these senses says nothing."""
    return frozenset[str]().union(*(NAMES[sense].harmless for sense in senses))
