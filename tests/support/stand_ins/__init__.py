"""What operators would do, for clusters that cannot have them because their images cannot be pulled.

The operators' definitions are real; these programs read our own resources from the API server and make what the
operators would make of them: names, ports, Secrets and their keys are those of the operators' documentation.
"""
