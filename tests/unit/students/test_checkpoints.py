"""A checkpoint as a folder: what its fingerprint follows."""

from pathlib import Path

from sftstudy.students.checkpoints import fingerprint


def test_fingerprint_follows_content_and_not_provenance(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}")
    before = fingerprint(tmp_path)
    (tmp_path / "README.md").write_text("a card")
    (tmp_path / "provenance.json").write_text("{}")
    assert fingerprint(tmp_path) == before
    (tmp_path / "chat_template.jinja").write_text("{{ messages }}\n")
    assert fingerprint(tmp_path) != before
