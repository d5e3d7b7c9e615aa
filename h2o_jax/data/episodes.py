"""Where the episodes of a log end, and what they returned."""

import pathlib

import numpy as np

from h2o_jax.data import files, validation


def time_limits(
    table: validation.Columns, path: pathlib.Path, max_episode_steps: int | None
) -> tuple[np.ndarray, list[str]]:
    """`[N]` rows, not terminal, at which a time limit ended an episode.

    They are logged, or inferred from the successors, or counted; none if rows are
    shuffled. A row that is both terminal and timed out is terminal: the episode would
    have ended there anyway.
    """
    terminals = table["terminals"] != 0
    logged = table.get("timeouts", np.zeros_like(terminals)) != 0
    if "timeouts" in table and (logged | terminals).any():
        both = int(np.sum(logged & terminals))
        note = f"{both} rows both terminal and timed out: taken as terminal"
        return logged & ~terminals, [note] if both else []
    absent = "timeouts never set" if "timeouts" in table else "no timeouts"
    if "next_observations" in table:
        if _shuffled(table, terminals):
            return np.zeros_like(terminals), []
        note = f"{absent}: an episode ends where a successor is not the next row"
        return _inferred_timeouts(table, terminals), [note]
    if max_episode_steps:
        note = f"{absent}: a time limit every {max_episode_steps} steps"
        return _counted_timeouts(terminals, max_episode_steps), [note]
    raise files.fail(
        path,
        f"{absent} and no next_observations, so episodes cannot be told apart; "
        "log either, or give max_episode_steps",
    )


def complete(
    table: validation.Columns, timeouts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """`[E]` lengths and returns of episodes that ended; none if rows are shuffled."""
    ended = (table["terminals"] != 0) | timeouts
    notes = []
    if "next_observations" in table and len(ended) > 1:
        jumps = _jumps(table) & ~ended[:-1]
        if _shuffled(table, ended):
            note = "most successors are not the next row: shuffled, no episodes known"
            return np.zeros(0, int), np.zeros(0), [note]
        if jumps.any():
            notes.append(f"{jumps.mean():.2%} of rows: the next is not the successor")
    ends = np.append(-1, np.flatnonzero(ended))
    if ends[-1] < len(ended) - 1:
        rest = len(ended) - 1 - ends[-1]
        notes.append(f"unfinished last episode of {rest} rows not in the returns")
    total = np.append(0, np.cumsum(table["rewards"], dtype=np.float64))
    return np.diff(ends), np.diff(total[ends + 1]), notes


def _shuffled(table: validation.Columns, ended: np.ndarray) -> bool:
    """Whether most rows that end no episode have a successor that is not the next."""
    jumps = _jumps(table)[~ended[:-1]]
    return bool(2 * np.count_nonzero(jumps) > len(jumps))


def _jumps(table: validation.Columns) -> np.ndarray:
    """`[N - 1]` whether a row's successor differs from the next row's observation.

    In float32, as they are learned from, whatever they are stored in.
    """
    successors, observations = (
        table[name].astype(np.float32, copy=False)
        for name in ("next_observations", "observations")
    )
    return np.any(successors[:-1] != observations[1:], axis=1)


def _counted_timeouts(terminals: np.ndarray, limit: int) -> np.ndarray:
    """`[N]` rows, not terminal, that are an episode's step number `limit`."""
    row = np.arange(len(terminals))
    begins = np.append(True, terminals[:-1])
    begin = np.maximum.accumulate(np.where(begins, row, 0))
    return ((row - begin + 1) % limit == 0) & ~terminals


def _inferred_timeouts(table: validation.Columns, terminals: np.ndarray) -> np.ndarray:
    """`[N]` rows, not terminal, whose successor is not the next row's observation.

    The last row has no next one: it ends an episode if that is as long as the longest,
    and that one ran into the time limit.
    """
    timeouts = np.append(_jumps(table), False) & ~terminals
    begins = np.append(0, np.flatnonzero(timeouts | terminals) + 1)
    lengths = np.diff(begins, append=len(terminals))
    limit = max(lengths[:-1][timeouts[begins[1:] - 1]], default=0)
    timeouts[-1] = not terminals[-1] and lengths[-1] == limit == max(lengths)
    return timeouts
