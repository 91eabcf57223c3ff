"""The benchmark: `python -m party bench`. Workloads, their float64 references, and what is measured
inside a party.
"""
