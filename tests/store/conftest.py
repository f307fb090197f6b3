from __future__ import annotations

import pytest

from support.evidence import Installation


@pytest.fixture
def house(tmp_path):
    installation = Installation(tmp_path)
    yield installation
    installation.close()
