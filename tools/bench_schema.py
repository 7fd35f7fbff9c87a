"""Write docs/bench-result.schema.json: python -m tools.bench_schema"""

from pathlib import Path

from clients.bench.report.schema import json_schema

FILE = Path(__file__).parent.parent / "docs" / "bench-result.schema.json"

if __name__ == "__main__":
    FILE.write_bytes(json_schema())
