"""One proxy with every reader behind it, for all the oddities."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from tests.running import free_port, running

from .place import Place
from .readers import configuration, reading


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("differential")
    with reading(folder) as readers:
        port = free_port()
        path = folder / "config.yaml"
        path.write_text(yaml.safe_dump(configuration(readers, port, folder / "state")))
        with running(["-m", "pomerium_tw.cli", "run", str(path)], folder / "proxy.txt") as process:
            process.wait_for_text('"ready')
            yield Place(port, readers)
