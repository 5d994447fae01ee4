"""What `headrace doctor` looks at: one module a group of checks, judged from facts that a probe gathered.

A group's checks and its judgement are pure and stand in one module; what gathers its facts stands in
`probes/`, is thin, and changes nothing. A fact that could not be had is an error in the facts' place.
"""
