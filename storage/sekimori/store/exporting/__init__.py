"""What an auditor gets: the folder of ``docs/formats/export.md``, and one record's proof."""
