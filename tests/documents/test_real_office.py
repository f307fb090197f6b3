"""Documents in a real office program, where LibreOffice is installed: it opens them, and every word is on paper."""

import re
import shutil
import subprocess

import pytest

from sekimori.documents.docx_writing import write_docx
from sekimori.documents.xlsx_writing import write_xlsx
from sekimori.governance.plan_paper import paper_of
from sekimori.governance.register_paper import register_paper
from support.forms import ready_form
from support.offices import NOW, everything_there_is

SOFFICE, PDFTOTEXT = shutil.which("soffice") or "", shutil.which("pdftotext") or ""

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not (SOFFICE and PDFTOTEXT), reason="LibreOffice or pdftotext is not installed here"),
]


def printed(document, ending, folder):
    """Let the office program print a document, and read the paper."""
    (folder / f"it.{ending}").write_bytes(document)
    profile = f"-env:UserInstallation=file://{folder}/profile"
    command = [SOFFICE, "--headless", profile, "--convert-to", "pdf", "--outdir", folder]
    subprocess.run([*command, folder / f"it.{ending}"], check=True, capture_output=True, timeout=120)
    read = subprocess.run([PDFTOTEXT, folder / "it.pdf", "-"], check=True, capture_output=True, text=True)
    return re.sub(r"\s", "", read.stdout)


@pytest.mark.req("MOU-2-10", "UK-423-2c")
@pytest.mark.parametrize(("write", "ending"), [(write_xlsx, "xlsx"), (write_docx, "docx")])
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: paper_of(ready_form()), id="利用計画書"),
        pytest.param(lambda: register_paper(everything_there_is().state, NOW), id="台帳"),
    ],
)
def test_an_office_program_prints_every_word_of_a_document(write, ending, make, tmp_path):
    paper = make()
    text = printed(write(paper, NOW), ending, tmp_path)
    told = {cell for grid in paper.grids for line in grid.lines for cell in (*grid.heads, *line.cells)}
    missing = {cell for cell in told if re.sub(r"\s", "", cell) not in text}
    # Columns that are narrow break a word over lines that pdftotext reads out of order.
    assert not {cell for cell in missing if len(cell) < 6}, missing
