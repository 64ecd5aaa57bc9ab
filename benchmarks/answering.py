"""A process that answers one JSON line with another: what is timed beside tfcr runs in processes of its own."""

import json
import sys
import time


class Process:
    """What can be asked for: a request `{"do": "steps", …}` calls `steps` with the rest as arguments."""

    def start(self, threads: int) -> dict:
        """Comes first; answers with the `version` of what computes."""
        raise NotImplementedError

    def processor_seconds(self) -> dict:
        """The processor's time that all threads of this process have used so far."""
        return {"seconds": time.process_time()}

    def serve(self) -> None:
        """Answers the lines of the standard input until it ends."""
        for line in sys.stdin:
            request = json.loads(line)
            print(json.dumps(getattr(self, request.pop("do"))(**request)), flush=True)
