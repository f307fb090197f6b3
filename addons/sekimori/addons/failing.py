"""Counting what fails inside a hook.

mitmproxy logs an addon's exception and lets the flow go on; each hook has therefore set its refusal
before it does anything else. This wrapper makes the failure visible to the operator and hands it on.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, cast

from sekimori import metrics


def fail_closed[Hook: Callable[..., Any]](hook: Hook) -> Hook:
    """Count an exception of ``hook`` and raise it again; the refusal that the hook set first stands."""
    failed = metrics.GATE_ERRORS.labels(hook.__name__)
    if inspect.iscoroutinefunction(hook):

        @functools.wraps(hook)
        async def waiting(*args: Any, **kwargs: Any) -> Any:
            try:
                return await hook(*args, **kwargs)
            except Exception:
                failed.inc()
                raise

        return cast("Hook", waiting)

    @functools.wraps(hook)
    def immediate(*args: Any, **kwargs: Any) -> Any:
        try:
            return hook(*args, **kwargs)
        except Exception:
            failed.inc()
            raise

    return cast("Hook", immediate)
