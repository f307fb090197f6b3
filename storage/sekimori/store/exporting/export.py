"""The export: whole logs, and of as many records as were asked for the envelope and the proof.

Trees are read after the super-log, so that whatever it says of one, that one has. Everything is read from what
is published; envelopes of entries come from the database and must be those that the leaves speak of.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection

from sekimori.errors import IntegrityError, StateError, UnknownError, UsageError
from sekimori.ledger.outside.timestamps import DATA_SUFFIX, SUFFIX
from sekimori.ledger.tlog.keys import ssh_line
from sekimori.ledger.tlog.tiles import WIDTH
from sekimori.ledger.tlog.trust import Trust
from sekimori.store.exporting.exported import Auditing, Exported, Stamps
from sekimori.store.exporting.folder import ExportFolder
from sekimori.store.exporting.logs import Heard, Leaf, Log, open_log, trust_in
from sekimori.store.exporting.readme import readme
from sekimori.store.exporting.rows import has_leaves, is_record, leaves_of, record_leaves
from sekimori.store.verifying.memories import Outside, is_super

POLICY, WRITERS, README, WORD = "policy", "proxy.pub", "README", "word"


class Exporter:
    """Fills one folder."""

    def __init__(
        self, connection: Connection, outside: Outside, auditing: Auditing, folder: ExportFolder
    ) -> None:
        self._connection = connection
        self._auditing = auditing
        self._folder = folder
        # The super-logs first: what they say of a tree, that tree has.
        names = sorted(outside.logs, key=lambda name: (len(name), name))
        self._supers = _opened(outside, [name for name in names if is_super(name)])
        if not self._supers:
            raise StateError("No checkpoint was published yet.", hint="Start the archivist: sekimori up.")
        self._unproven = 0
        self._heard = Heard()
        for log in self._supers:
            self._heard.listen(log)
        self._words = self._heard.words
        trees = [name for name in names if not is_super(name)]
        self._left_out = tuple(name for name in trees if self._is_empty_now(name))
        logs = _opened(outside, [name for name in trees if name not in self._left_out])
        self._trees = {log.name: self._told(log) for log in logs}
        newest = self._supers[-1]
        self._over = trust_in([newest], auditing.witnesses, auditing.needed)
        self._policy = trust_in([*self._trees.values(), *self._supers], auditing.witnesses, auditing.needed)

    def _is_empty_now(self, name: str) -> bool:
        """Tell of a tree that was given up whether every row that it had lies in the one that goes on."""
        return name in self._heard.given_up and not has_leaves(self._connection, name)

    def _told(self, log: Log) -> Log:
        """Take each tree at the checkpoint that the super-log speaks of: so its witnesses saw every proof's root."""
        word = self._words.get(log.name)
        if word is None:
            return log
        try:
            return log.as_told(word.note)
        except IntegrityError:
            if log.name not in self._heard.given_up:
                raise
            return log  # its files are damaged, which is why it was given up

    def run(self, *, records: Sequence[str], everything: bool, elsewhere: tuple[str, ...] = ()) -> Exported:
        """Write all of it."""
        for log in self._trees.values():
            self._log(log, f"lanes/{log.name}", envelopes=False)
            if log.name in self._words:
                self._folder.put(f"lanes/{log.name}/{WORD}", f"{self._words[log.name].name}\n".encode())
        for log in self._supers:
            self._log(log, log.name, envelopes=True)
        self._folder.put(POLICY, self._policy.pack())
        self._folder.put(f"{self._supers[-1].name}/{POLICY}", self._over.pack())
        self._folder.put(WRITERS, "".join(map(ssh_line, self._auditing.writers)).encode())
        proofs = self._words_of_super()
        if everything:
            proofs += sum(self._proofs(log, self._all(log)) for log in self._trees.values())
        else:
            proofs += self._records(records)
        stamps = sum(self._stamps(one) for one in self._auditing.stamps)
        sizes = {name: log.size for name, log in self._trees.items()}
        given_up = {name: next_ for name, next_ in self._heard.given_up.items() if not is_super(name)}
        done = Exported(
            sizes, proofs, elsewhere, stamps, bool(self._over.witnesses), given_up, self._unproven, everything
        )
        self._folder.put(README, readme(done, self._supers, self._auditing.stamps).encode())
        return done

    def _log(self, log: Log, path: str, *, envelopes: bool) -> None:
        for name, data in log.files(envelopes=envelopes):
            self._folder.put(f"{path}/{name}", data)

    def _words_of_super(self) -> int:
        """Prove the newest word of a super-log on each tree: what its witnesses saw covers it."""
        count = 0
        for log in self._supers:
            wanted = {word.index for word in self._words.values() if word.log == log.name}
            leaves = (leaf for leaf in log.own_leaves() if leaf.index in wanted)
            # One that was given up is followed by the newest, which is what is asked of witnesses.
            count += self._proofs(log, leaves, self._over if log is self._supers[-1] else self._policy)
        return count

    def _all(self, log: Log) -> Iterator[Leaf]:
        count = 0
        for leaf in leaves_of(self._connection, log.name, log.size):
            count += 1
            yield leaf
        if count != log.size and log.name not in self._heard.given_up:
            raise IntegrityError(
                f"The database has {count} leaves of the tree {log.name}, which has {log.size}.",
                hint="Find out which are missing: sekimori verify.",
            )

    def _records(self, records: Sequence[str]) -> int:
        count = 0
        for rid in dict.fromkeys(records):
            found = record_leaves(self._connection, rid)
            if not found and not is_record(self._connection, rid):
                raise UnknownError(
                    f"There is no record {rid}.", hint="sekimori log list names those there are."
                )
            for tree, leaf in found:
                log = self._trees.get(tree)
                if log is None or leaf.index >= log.size:
                    raise UsageError(
                        f"Record {rid} lies in the tree {tree}, of which there are no files here.",
                        hint="Export it on the machine whose gate wrote it.",
                    )
                count += self._proofs(log, [leaf])
        return count

    def _proofs(self, log: Log, leaves: Iterator[Leaf] | Sequence[Leaf], trust: Trust | None = None) -> int:
        count = 0
        for leaf in leaves:
            try:
                proof = log.prove(leaf, trust or self._policy)
            except IntegrityError:
                if log.name not in self._heard.given_up:
                    raise
                self._unproven += 1
                continue
            self._folder.put(f"envelopes/{log.name}/{leaf.index}.json", leaf.envelope)
            self._folder.put(f"proofs/{log.name}/{leaf.index}.proof", proof.pack())
            count += 1
        return count

    def _stamps(self, stamps: Stamps) -> int:
        """Copy what an authority stamped, its stamps, and the CA; prove that the log signed what is stamped."""
        found = sorted(stamps.folder.glob(f"*/*{SUFFIX}"))
        folder = f"timestamps/{stamps.name}"
        trust = Trust(tuple(log.public for log in self._supers))
        for path in found:
            data = path.with_suffix(DATA_SUFFIX).read_bytes()
            name = f"{folder}/{path.parent.name}/{path.stem}"
            self._folder.copy(f"{name}{SUFFIX}", path)
            self._folder.put(f"{name}{DATA_SUFFIX}", data)
            if (newest := self._newest_then(data)) is not None:
                log, leaf = newest
                self._folder.put(f"{name}.json", leaf.envelope)
                self._folder.put(f"{name}.proof", log.prove(leaf, trust).pack())
        if found:
            self._folder.copy(f"{folder}/ca.pem", stamps.ca_file)
            self._folder.put(f"{folder}/{POLICY}", trust.pack())
        return len(found)

    def _newest_then(self, data: bytes) -> tuple[Log, Leaf] | None:
        """Return the super-log at a checkpoint that was stamped, and its last leaf; None if it is none of ours."""
        for log in self._supers:
            try:
                then = log.as_told(data)
            except IntegrityError:
                continue
            if then.data == data:
                start = (then.size - 1) // WIDTH * WIDTH
                leaf = log.shelf.leaves(log.size, start, then.size)[-1]
                envelope = log.shelf.envelopes(log.size, start, then.size)[-1]
                return then, Leaf(then.size - 1, leaf, envelope)
        return None


def _opened(outside: Outside, names: Sequence[str]) -> list[Log]:
    return [log for name in names if (log := open_log(outside, name)) is not None]


def no_leaf(rid: str, *, known: bool) -> UsageError:
    """Return what to say of a record that has no proof."""
    if not known:
        return UnknownError(f"There is no record {rid}.", hint="sekimori log list names those there are.")
    return UsageError(f"Record {rid} has no leaf: it is from before the ledger, or waits for its place.")
