"""Reads the golden files as other programs do and compares every cell with the tables they are of.

    check.py FOLDER

FOLDER holds what the test `golden_files_are_written_for_other_programs_to_read` wrote: CSV files,
`golden.xlsx`, and `expected.json`, made from the tables and not from the files. CSV is read by
Python's csv and by pandas, the workbook by openpyxl and, where it is installed, by LibreOffice.
"""

import csv
import datetime as dt
import io
import json
import math
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
import xml.etree.ElementTree as xml
from pathlib import Path

import openpyxl
import pandas

WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
EXACT = 2**53
FORMULA = set("=+-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212")
UNSEEN = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
checked = 0


def same(found, wanted, where):
    global checked
    checked += 1
    if found != wanted:
        sys.exit(f"{where}: found {found!r}, wanted {wanted!r}")


def close(found, wanted, where, absolute=0.0):
    global checked
    checked += 1
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        sys.exit(f"{where}: {found!r} is no number, wanted {wanted!r}")
    if not math.isclose(found, wanted, rel_tol=1e-12, abs_tol=absolute):
        sys.exit(f"{where}: found {found!r}, wanted {wanted!r}")


def printable(text):
    """Text without the control characters that no file can hold."""
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", "", text)


def is_formula(text):
    """Whether a spreadsheet may take a cell's text for a formula."""
    return text[:1] in ("\t", "\r", "\n") or text.lstrip().lstrip(UNSEEN).lstrip()[:1] in FORMULA


def csv_cell(found, wanted, where):
    if wanted is None:
        same(found, "", where)
    elif isinstance(wanted, bool):
        same(found, str(wanted).lower(), where)
    elif isinstance(wanted, int):
        same(int(found), wanted, where)
    elif isinstance(wanted, float):
        same(float(found), wanted, where)
    elif isinstance(wanted, str):
        # An apostrophe may have been put in; nothing else may have changed.
        same(found.replace("'", ""), printable(wanted).replace("'", ""), where)
        if is_formula(found) or any(is_formula(part) for part in re.split("[;\n]", found)):
            sys.exit(f"{where}: {found!r} is a formula to somebody")
        if not any(c in FORMULA for c in wanted) and wanted[:1] not in ("\t", "\r", "\n"):
            same(found, printable(wanted), where)
    elif "weekday" in wanted:
        same(found, WEEKDAYS[wanted["weekday"] - 1], where)
    elif "date" in wanted:
        same(found, wanted["date"], where)
    else:
        read = dt.datetime.fromisoformat(found)
        same(round(read.timestamp() * 1000), wanted["milliseconds"], where)
        civil = read.replace(tzinfo=None).isoformat(timespec="milliseconds")
        same(civil, wanted["civil"], where)


def check_csv(folder, table):
    path = folder / table["csv"]
    raw = path.read_bytes()
    text = raw.decode("utf-8-sig")
    names = [column["name"] for column in table["columns"]]
    lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    same([name.replace("'", "") for name in lines[0]], names, f"{path.name} headings")
    same(len(lines) - 1, len(table["rows"]), f"{path.name} rows")
    for number, (line, row) in enumerate(zip(lines[1:], table["rows"]), 1):
        same(len(line), len(row), f"{path.name} width of row {number}")
        for name, found, wanted in zip(names, line, row):
            csv_cell(found, wanted, f"{path.name} row {number} `{name}`")
    # Line ends outside quotes are CRLF, the last line's too.
    bare = re.sub(r'"(?:[^"]|"")*"', "", text)
    same(bare.count("\n"), bare.count("\r\n"), f"{path.name} line ends")
    same(bare.endswith("\r\n"), True, f"{path.name} end")
    check_pandas(path, table)


def check_pandas(path, table):
    frame = pandas.read_csv(path, float_precision="round_trip", keep_default_na=False, na_values=[""])
    same(len(frame), len(table["rows"]), f"{path.name} rows in pandas")
    for at, column in enumerate(table["columns"]):
        if not column["number"] or not table["rows"]:
            continue
        wanted = [row[at] for row in table["rows"] if row[at] is not None]
        found = [value for value in frame.iloc[:, at].tolist() if not pandas.isna(value)]
        where = f"{path.name} `{column['name']}` in pandas"
        same(len(found), len(wanted), where)
        for one, other in zip(found, wanted):
            close(float(one), float(other), where)


def heading(column):
    return column["name"] + (" (s)" if column["seconds"] else "")


def sheet_columns(table):
    """A workbook has links on its cells, not in a column."""
    return [(at, c) for at, c in enumerate(table["columns"]) if c["kind"] != "link"]


def sheet_cell(value, wanted, column, where):
    """Compares a cell's typed value: None, bool, number (of seconds for lengths of time), text, or
    a datetime."""
    if wanted is None:
        same(value, None, where)
    elif isinstance(wanted, bool):
        same(value, wanted, where)
    elif isinstance(wanted, int) and abs(wanted) > EXACT:
        same(value, str(wanted), where)
    elif isinstance(wanted, (int, float)):
        if isinstance(value, dt.timedelta):
            value = value.total_seconds()
        close(value, wanted, where, 1e-3 if column["duration"] else 0.0)
    elif isinstance(wanted, str):
        text = printable(wanted).replace("\r\n", "\n").replace("\r", "\n")
        same(value or "", text, where)
    elif "weekday" in wanted:
        same(value, WEEKDAYS[wanted["weekday"] - 1], where)
    else:
        civil = dt.datetime.fromisoformat(wanted.get("civil") or wanted["date"])
        if civil.year < 1900:
            same(value, (wanted.get("civil") or wanted["date"])[:19], where)
            return
        if not isinstance(value, dt.datetime):
            sys.exit(f"{where}: {value!r} is no date")
        same(abs(value - civil) < dt.timedelta(milliseconds=2), True, f"{where}: {value} {civil}")


def check_sheet(name, rows, table):
    """Compares a sheet, as rows of typed values, with a table: heading, rows, a free row, totals."""
    columns = sheet_columns(table)
    names = [heading(column) for _, column in columns]
    same(rows[0][: len(names)], names, f"{name} headings")
    cut = rows[1 : 1 + len(table["rows"])]
    for number, (line, row) in enumerate(zip(cut, table["rows"]), 1):
        for place, (at, column) in enumerate(columns):
            where = f"{name} row {number} `{column['name']}`"
            value = line[place] if place < len(line) else None
            sheet_cell(value, row[at], column, where)
    below = rows[2 + len(table["rows"]) :]
    feet = []
    if table["others"]:
        feet.append((table["others"]["label"], table["others"]["row"]))
    if table["total"]:
        feet.append(("Total", table["total"]))
    for line, (label, row) in zip(below, feet, strict=False):
        same(line[0], label, f"{name} label")
        for place, (at, column) in enumerate(columns[1:], 1):
            if row is not None:
                value = line[place] if place < len(line) else None
                sheet_cell(value, row[at], column, f"{name} {label} `{column['name']}`")
    same(len(below) >= len(feet), True, f"{name} totals")


def check_openpyxl(path, tables):
    # It says that it drops what it does not know (the sparklines).
    warnings.simplefilter("ignore", UserWarning)
    book = openpyxl.load_workbook(path)
    same(book.sheetnames, ["About"] + [table["report"] for table in tables], "sheets")
    for table in tables:
        sheet = book[table["report"]]
        for line in sheet.iter_rows():
            for cell in line:
                same(cell.data_type != "f", True, f"{sheet.title} {cell.coordinate} is no formula")
        rows = [[cell.value for cell in line] for line in sheet.iter_rows()]
        check_sheet(f"openpyxl {sheet.title}", rows, table)
        same(sheet.freeze_panes is not None, True, f"{sheet.title} is frozen")
        if table["rows"]:
            (found,) = sheet.tables.values()
            last = openpyxl.utils.get_column_letter(len(sheet_columns(table)))
            same(found.ref, f"A1:{last}{len(table['rows']) + 1}", f"{sheet.title} table")
        links = {cell.hyperlink.target for line in sheet.iter_rows() for cell in line if cell.hyperlink}
        wanted = {
            row[at]
            for row in table["rows"]
            for at, column in enumerate(table["columns"])
            if column["kind"] == "link" and row[at]
        }
        same(links, wanted, f"{sheet.title} links")
    same(len(book["pivot"]._charts), 1, "chart of pivot")
    about = [cell.value for line in book["About"].iter_rows() for cell in line if cell.value]
    for told in ["golden-20261123T070000Z", "Europe/Berlin", "All of them."]:
        same(told in about, True, f"About tells {told}")


OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"


def paragraph(node):
    out = node.text or ""
    for child in node:
        if child.tag == TEXT + "s":
            out += " " * int(child.get(TEXT + "c", "1"))
        elif child.tag == TEXT + "tab":
            out += "\t"
        elif child.tag == TEXT + "line-break":
            out += "\n"
        else:
            out += paragraph(child)
        out += child.tail or ""
    return out


def office_value(cell):
    kind = cell.get(OFFICE + "value-type")
    formula = cell.get(TABLE + "formula")
    # So it reads true and false, which have no type of their own there.
    if formula in ("of:=TRUE()", "of:=FALSE()"):
        return formula == "of:=TRUE()"
    if formula:
        sys.exit(f"LibreOffice reads a formula: {formula}")
    if kind is None:
        return None
    if kind in ("float", "percentage", "currency"):
        return float(cell.get(OFFICE + "value"))
    if kind == "boolean":
        return cell.get(OFFICE + "boolean-value") == "true"
    if kind == "date":
        whole, _, fraction = cell.get(OFFICE + "date-value").partition(".")
        read = dt.datetime.fromisoformat(whole)
        return read + dt.timedelta(seconds=float("0." + (fraction or "0")))
    if kind == "time":
        found = re.fullmatch(r"(-?)PT(\d+)H(\d+)M([\d.,]+)S", cell.get(OFFICE + "time-value"))
        sign, hours, minutes, seconds = found.groups()
        length = int(hours) * 3600 + int(minutes) * 60 + float(seconds.replace(",", "."))
        return dt.timedelta(seconds=-length if sign else length)
    return "\n".join(paragraph(node) for node in cell.findall(TEXT + "p"))


def office_lines(node):
    """The rows of a sheet; those of charts lie deeper and are not its own."""
    for child in node:
        if child.tag == TABLE + "table-row":
            yield child
        elif child.tag in (TABLE + "table-header-rows", TABLE + "table-rows", TABLE + "table-row-group"):
            yield from office_lines(child)


def office_rows(sheet, wanted):
    rows = []
    for line in office_lines(sheet):
        cells = []
        for cell in line:
            if cell.tag not in (TABLE + "table-cell", TABLE + "covered-table-cell"):
                continue
            repeated = min(int(cell.get(TABLE + "number-columns-repeated", "1")), 200)
            cells += [office_value(cell)] * repeated
        rows += [cells] * min(int(line.get(TABLE + "number-rows-repeated", "1")), 20)
        if len(rows) > wanted + 10:
            break
    return rows


def check_libreoffice(path, tables):
    office = shutil.which("soffice") or shutil.which("libreoffice")
    if office is None:
        print("LibreOffice: not checked here, it is not installed")
        return
    with tempfile.TemporaryDirectory() as folder:
        # A profile of its own: nothing of the user's is read or written.
        command = [office, f"-env:UserInstallation=file://{folder}/profile", "--headless"]
        command += ["--convert-to", "fods", "--outdir", folder, str(path)]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        root = xml.parse(Path(folder) / "golden.fods").getroot()
    sheets = {sheet.get(TABLE + "name"): sheet for sheet in root.iter(TABLE + "table")}
    for table in tables:
        sheet = sheets[table["report"]]
        rows = office_rows(sheet, len(table["rows"]))
        check_sheet(f"LibreOffice {table['report']}", rows, table)


def main():
    folder = Path(sys.argv[1])
    tables = json.loads((folder / "expected.json").read_text(encoding="utf-8"))["tables"]
    for table in tables:
        check_csv(folder, table)
    check_openpyxl(folder / "golden.xlsx", tables)
    check_libreoffice(folder / "golden.xlsx", tables)
    print(f"{checked} cells and facts of {len(tables)} tables agree")


main()
