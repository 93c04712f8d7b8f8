"""Does the work of operators, for clusters that cannot pull their images.

The operators' definitions are real; these programs read our own resources from the API server and make what the
operators would make of them: names, ports, Secrets and their keys are those of the operators' documentation.
"""
