# SPDX-License-Identifier: Apache-2.0
"""Tables fit the terminal; every subject has its row; programs get values, and all columns."""

import csv
import importlib.metadata
import io
import json
import logging
import re
from pathlib import Path
from unittest import mock

import fixtures
import wcwidth
from oslotest import base

from rackspace_imagetasks.exceptions import NotFound, TaskTimeout
from rackspace_imagetasks.jobs.exports import ExportResult
from rackspace_imagetasks.osc import columns, command, options, rows
from rackspace_imagetasks.osc.v2 import export, vhd_show
from tests.unit.osc import local_shell

PAGE = Path(__file__).parents[3] / "doc" / "source" / "cli" / "columns.rst"
IMAGE = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
TASK = "0a1b2c3d-e4f5-4678-9abc-def012345678"
NAME = "web-server-2026-11-28 (golden)"
REASON = "The import task failed: the file is not a VHD. Convert the disk to a VHD first. " * 5
LOCATION = f"image-exports/{IMAGE}.vhd"
PATH = "/srv/backups/images of november/web-server-2026-11-28.qcow2"
SIZE = columns.SizeColumn(1023 * 2**20 + 2**19)

# What the widest rows have, by command; each command may have several tables.
TABLES = {
    "image_task_clean": [
        {
            "Container": "image-imports_segments", "Object": f"{IMAGE}.vhd", "Kind": "segment",
            "Size": SIZE, "Last Modified": "2026-11-28T12:00:00+00:00",
            "Status": f"needed by task {TASK}", "Reason": REASON,
        },
    ],
    "image_task_export": [
        {
            "Image": IMAGE, "Name": NAME, "Task": TASK, "Status": status, "Location": LOCATION,
            "Size": size, "Reason": REASON,
        }
        for status, size in (("exported before", SIZE), ("processing", None))
    ],
    "image_task_import": [
        {
            "Image": image, "Name": NAME, "Task": TASK, "Status": "already imported",
            "Object": "image-imports/web-server.vhd", "Disk Size": SIZE, "Source": PATH,
            "Reason": REASON,
        }
        for image in (IMAGE, None)
    ],
    "image_task_save": [
        {
            "Location": LOCATION, "File": PATH, "Status": "already saved", "Size": SIZE,
            "Fetched": SIZE, "Export": export_, "Reason": REASON,
        }
        for export_ in (LOCATION, TASK)
    ],
    "image_task_transfer": [
        {
            "Image": IMAGE, "Name": NAME, "Region": "RegionOne-internal",
            "Status": "already there", "Target Image": target,
            "Properties": columns.StructureColumn({"com.rackspace__1__build_core": "1" * 60}),
            "Cloud": "rackspace-flex-production", "Reason": REASON,
        }
        for target in (IMAGE, None)
    ],
    "image_task_wait": [
        {
            "Task": TASK, "Type": "export", "Status": "processing", "Result": LOCATION,
            "Message": REASON, "Reason": REASON,
        },
    ],
    "image_vhd_validate": [
        {
            "File": PATH, "Severity": "warning", "Code": columns.CodeColumn(396),
            "Check": "footer-checksum", "Detail": columns.DetailColumn(REASON),
        },
    ],
}  # fmt: skip
FIELDS = {
    "image_vhd_convert": {"file": PATH, "source": PATH, "source_format": "qcow2"},
    "image_vhd_show": {"file": PATH},
}
FACTS = {
    **dict.fromkeys(vhd_show.FIELDS, "x"),
    "grows_reason": REASON,
    "uuid": IMAGE,
    "physical_size": SIZE,
}
NO_TABLE = {"image_disk_inspect"}  # lines of 80 columns: see test_disk_inspect


def commands():
    """Give the command classes by the names of their entry points."""
    points = importlib.metadata.entry_points(group="openstack.rackspace_imagetasks.v2")
    return {point.name: point.load() for point in points}


def printed(name, titles, data, *words):
    """Let a command print rows or fields; give what it prints."""
    app = mock.Mock(stdout=io.StringIO())
    made = commands()[name](app, None)
    arguments = [*words, *(("a", "b") if name == "image_vhd_convert" else ("a",))]
    if name == "image_task_clean":
        arguments = list(words)
    elif name == "image_task_save":
        arguments += ["--file", "x"]
    parsed = made.get_parser("openstack").parse_args(arguments)
    made.formatter = made._formatter_plugins[parsed.formatter].obj
    made.produce_output(parsed, titles, data)
    return app.stdout.getvalue()


class WidthTest(base.BaseTestCase):
    def test_every_command_is_covered(self):
        """A new command needs its realistic values here."""
        self.assertEqual(set(commands()), {*TABLES, *FIELDS, *NO_TABLE})

    def test_default_tables(self):
        """The widest values fit 100 columns, and nothing of a default column is lost."""
        for name, table in TABLES.items():
            for cells in table:
                titles = commands()[name].titles
                self.assertEqual(set(titles), set(cells), name)
                text = printed(name, titles, [rows.row(titles, cells)])
                self.assertLessEqual(max(map(len, text.splitlines())), 100, text)
                self.assertNotIn("…", text)
                self.assertNotIn("Reason", text)

    def test_wide_characters(self):
        """So do values in characters of two cells; nothing of them is lost."""
        for name, table in TABLES.items():
            titles = commands()[name].titles
            for cells in table:
                wide = {
                    title: "東京都サーバー" * 6 if value in (NAME, LOCATION, PATH) else value
                    for title, value in cells.items()
                }
                text = printed(name, titles, [rows.row(titles, wide)])
                widths = {wcwidth.wcswidth(line) for line in text.splitlines()}
                self.assertEqual(1, len(widths), text)
                self.assertLessEqual(max(widths), 100, text)
                self.assertNotIn("…", text)

    def test_fields(self):
        """So do the fields of one VHD."""
        for name, others in FIELDS.items():
            fields = others | FACTS
            self.assertEqual(set(fields), set(commands()[name].titles))
            text = printed(name, tuple(fields), tuple(fields.values()))
            self.assertLessEqual(max(map(len, text.splitlines())), 100, text)

    def test_long(self):
        """--long has all columns; a long reason is in lines; no column is as wide as it."""
        for name, (cells, *_others) in TABLES.items():
            titles = commands()[name].titles
            text = printed(name, titles, [rows.row(titles, cells)], "--long")
            shown = [each.strip() for each in text.splitlines()[1].strip("|").split("|")]
            self.assertEqual(list(titles), shown)
            widths = [len(part) for part in text.splitlines()[0].strip("+").split("+")]
            self.assertLessEqual(max(widths), 62)

    def test_the_task_of_an_import_that_has_no_image_yet(self):
        """The user needs the task to follow it, and the image once there is one."""
        done, running = TABLES["image_task_import"]
        titles = commands()["image_task_import"].titles
        for cells, shown, hidden in ((done, IMAGE, TASK), (running, TASK, IMAGE)):
            text = printed("image_task_import", titles, [rows.row(titles, cells)])
            self.assertIn(shown, text)
            self.assertNotIn(hidden, text)

    def test_other_formats_have_all_columns(self):
        """Scripts find what they found before."""
        for name, (cells, *_others) in TABLES.items():
            titles = commands()[name].titles
            (row,) = json.loads(printed(name, titles, [rows.row(titles, cells)], "-f", "json"))
            self.assertEqual(list(titles), list(row))
            if "Reason" in cells:
                self.assertEqual(REASON, row["Reason"])

    def test_sorted_by_a_hidden_column(self):
        """A size is compared as a number, in whichever columns the table has."""
        titles = ("Location", "File", "Status", "Size", "Fetched", "Export", "Reason")
        data = [
            ("c/x", "x", "saved", columns.SizeColumn(size), None, export_, None)
            for size, export_ in ((3 * 2**30, "large"), (500 * 2**20, "small"))
        ]
        text = printed("image_task_save", titles, data, "--sort-column", "size")
        self.assertLess(text.index("small"), text.index("large"))


class WrappedTest(base.BaseTestCase):
    def lines(self, text, width):
        return columns.WrappedColumn(columns.TextColumn(text), width).human_readable().split("\n")

    def test_lines(self):
        """A line ends after a space or a slash, else a hyphen, else anywhere."""
        for text, width, lines in (
            ("", 5, [""]),
            ("short", 5, ["short"]),
            ("one two", 3, ["one", "two"]),
            (LOCATION, 40, ["image-exports/", f"{IMAGE}.vhd"]),
            (NAME, 17, ["web-server-2026-", "11-28 (golden)"]),
            ("abcdefgh", 3, ["abc", "def", "gh"]),
        ):
            self.assertEqual(lines, self.lines(text, width))

    def test_wide_characters(self):
        """A line has a number of cells, whatever its characters are, and no accent on its own."""
        for text, width, lines in (
            ("東京都サーバー", 6, ["東京都", "サーバ", "ー"]),
            ("東京都サーバー", 5, ["東京", "都サ", "ーバ", "ー"]),
            ("東京 web-1", 7, ["東京", "web-1"]),
            ("cafe\u0301 cafe\u0301", 4, ["cafe\u0301", "cafe\u0301"]),
            ("e\u0301" * 3, 2, ["e\u0301" * 2, "e\u0301"]),
            ("a❤\ufe0fb", 2, ["a", "❤\ufe0f", "b"]),
            ("東京", 1, ["東", "京"]),
        ):
            self.assertEqual(lines, self.lines(text, width))
            if width > 1:
                self.assertLessEqual(max(map(wcwidth.wcswidth, lines)), width)

    def test_accents_alone(self):
        """A text that takes no cells is broken, too, instead of being measured for ever."""
        text = "\u0301" * 250
        self.assertEqual(text, "".join(self.lines(text, 9)))


class CsvTest(base.BaseTestCase):
    def test_cells(self):
        """Numbers are not quoted, texts are, and a missing value is an empty cell."""
        titles = ("File", "Severity", "Code", "Check", "Detail")
        data = [
            ("a", "error", columns.CodeColumn(396), "no-footer", columns.DetailColumn('"x"')),
            ("b", "error", columns.CodeColumn(None), "unreadable", columns.DetailColumn(None)),
        ]
        text = printed("image_vhd_validate", titles, data, "-f", "csv")
        self.assertEqual(
            ['"a","error",396,"no-footer","""x"""', '"b","error","","unreadable",""'],
            text.splitlines()[1:],
        )
        text = printed("image_vhd_validate", titles, data, "-f", "csv", "--quote", "minimal")
        self.assertEqual("b,error,,unreadable,", text.splitlines()[2])

    def test_properties(self):
        """Structures are JSON."""
        titles = commands()["image_task_transfer"].titles
        row = rows.row(titles, {"Properties": columns.StructureColumn({"a": "b"})})
        text = printed("image_task_transfer", titles, [row], "-f", "csv")
        (read,) = csv.DictReader(io.StringIO(text))
        self.assertEqual({"a": "b"}, json.loads(read["Properties"]))


class MissingValuesTest(base.BaseTestCase):
    def test_rows(self):
        """With `-f value`, a missing value is an empty cell; in JSON and YAML, it is null."""
        titles = ("File", "Severity", "Code", "Check", "Detail")
        data = [("b", "error", columns.CodeColumn(None), "unreadable", None)]
        for formatter, shown in (
            ("value", "b error  unreadable \n"),
            ("json", '"Code": null,'),
            ("yaml", "Code: null\n"),
        ):
            text = printed("image_vhd_validate", titles, data, "-f", formatter)
            self.assertIn(shown, text)
            self.assertNotIn("None", text)

    def test_sorted(self):
        """Rows can be sorted by a column in which values are missing."""
        titles = commands()["image_task_wait"].titles
        data = [rows.row(titles, {"Task": task, "Result": task}) for task in ("b", None, "a")]
        words = ("-f", "value", "-c", "Result", "--sort-column", "Result")
        self.assertEqual("\na\nb\n", printed("image_task_wait", titles, data, *words))

    def test_fields(self):
        """So it is among the fields of one VHD, and for the shell."""
        titles, data = ("file", "uuid", "grows_reason"), ("x", IMAGE, None)
        for formatter, shown in (
            ("value", f"x\n{IMAGE}\n\n"),
            ("shell", f'file="x"\nuuid="{IMAGE}"\ngrows_reason=""\n'),
            ("json", '"grows_reason": null'),
            ("yaml", "grows_reason: null\n"),
        ):
            self.assertIn(shown, printed("image_vhd_show", titles, data, "-f", formatter))


class BatchRowsTest(base.BaseTestCase):
    """Rows of failures are where their subjects are."""

    def batch(self, subjects, **endings):
        made = export.ExportImage(mock.Mock(), None)
        made.log = logging.getLogger("batch-test")
        self.log = self.useFixture(fixtures.FakeLogger("batch-test"))

        def job(subject):
            ending = endings[subject]
            if isinstance(ending, Exception):
                raise ending
            return ending

        outcomes = made.run_batch(subjects, job, 1)
        made_rows = rows.of_batch(made.titles, outcomes, options.image_cells, export._cells)
        self.assertEqual(made.has_failed, any(outcome.error for outcome in outcomes))
        shown = [columns.values(made.titles, columns.safe_row(row)) for row in made_rows]
        return [(row["Name"], row["Status"], row["Reason"]) for row in shown]

    def test_each_subject_has_a_row(self):
        """Whatever the exception is; the reason is what the error on stderr says."""
        result = ExportResult(IMAGE, "web-1", TASK, "success", LOCATION, 1)
        bad_name = UnicodeEncodeError("utf-8", "b\udcff", 1, 2, "surrogates not allowed")
        shown = self.batch(
            ["none", "web-1", "odd"], **{"none": NotFound("No."), "web-1": result, "odd": bad_name}
        )
        self.assertEqual(
            [("none", "failed"), ("web-1", "success"), ("odd", "failed")],
            [row[:2] for row in shown],
        )
        self.assertEqual(("No.", None), (shown[0][2], shown[1][2]))
        self.assertIn("UnicodeEncodeError", shown[2][2])
        self.assertIn("none: No.", self.log.output)

    def test_a_time_out_has_its_result_and_its_reason(self):
        """The status is the task's, and the reason is that the wait ended."""
        result = ExportResult(IMAGE, "web-1", TASK, "processing", LOCATION)
        shown = self.batch(
            ["web-1"], **{"web-1": TaskTimeout("Late.", task_id=TASK, result=result)}
        )
        self.assertEqual([("web-1", "processing", "Late.")], shown)

    def test_a_single_failure_is_the_error(self):
        """There is no table then."""
        self.assertRaises(NotFound, self.batch, ["none"], none=NotFound("No."))

    def test_an_id_is_the_image(self):
        """What was selected by ID has its ID in the row, even if it failed."""
        self.assertEqual({"Name": IMAGE, "Image": IMAGE}, options.image_cells(IMAGE))
        self.assertEqual({"Name": "web"}, options.image_cells("web"))


class UnknownColumnTest(local_shell.LocalShellTest):
    def test_before_the_work(self):
        """A near miss beside a known column is refused with exit status 2; no file is written."""
        Path("disk.raw").write_bytes(bytes(510) + b"\x55\xaa" + bytes(2**21 - 512))
        words = ("image", "vhd", "convert", "disk.raw", "disk.vhd", "-c", "uuid", "-c")
        status, stdout, stderr = self.openstack(*words, "Grow")
        self.assertEqual((2, ""), (status, stdout))
        self.assertIn("Unknown column 'Grow'. Did you mean 'grows'?", stderr)
        self.assertIn("Available columns: file, source,", stderr)
        self.assertFalse(Path("disk.vhd").exists())
        status, stdout, stderr = self.openstack(*words, "GROWS ", "-f", "value")
        self.assertEqual(0, status, stderr)

    def test_every_display_command(self):
        """Each command refuses an unknown column, without a cloud; no two titles are alike."""
        for name, made in commands().items():
            words = name.split("_")
            arguments = {"image_task_clean": (), "image_vhd_convert": ("a", "b")}.get(name, ("a",))
            arguments += ("--file", "x") if name == "image_task_save" else ()
            status, stdout, stderr = self.openstack(*words, *arguments, "-c", "zzz")
            self.assertEqual((2, ""), (status, stdout), name)
            self.assertIn("Unknown column 'zzz'.\nAvailable columns: ", stderr)
            titles = made(mock.Mock(), None).known_titles()
            self.assertEqual(len(titles), len({title.lower() for title in titles}))


class DocumentedColumnsTest(base.BaseTestCase):
    def test_page(self):
        """The page has each command's columns in their order, their names, and where they are."""
        sections = re.split(r"^(image .+)\n=+\n", PAGE.read_text(), flags=re.MULTILINE)[1:]
        documented = {
            name.replace(" ", "_"): re.findall(
                r"^   \* - (.+)\n     - ``(.+)``\n     - .+\n     - (.+)$", text, re.MULTILINE
            )
            for name, text in zip(sections[::2], sections[1::2], strict=True)
        }
        expected = {}
        for name, made in commands().items():
            if issubclass(made, command.BatchCommand):
                expected[name] = [
                    (title, title.lower().replace(" ", "_"), self.place(made, name, title))
                    for title in made.titles
                ]
        self.assertEqual(expected, documented)

    def place(self, made, name, title):
        tables = [
            made(mock.Mock(), None).table_of(
                [columns.values(cells, columns.safe_row(cells.values()))]
            )
            for cells in TABLES[name]
        ]
        shown = [title in table for table in tables]
        return "default" if all(shown) else "sometimes" if any(shown) else "``--long``"
