"""Stage: charge.

In come daily sums and the contract; out go statements, numbered invoices with their evidence, and
balanced postings. Knows visitors only as sums; money is whole minor units everywhere.
"""
