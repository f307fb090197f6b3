"""The composition root: commands, configuration, the supervised tree. The one room that knows all others."""
