"""Does the work of operators, for clusters that cannot pull the operators' images.

The CustomResourceDefinitions are the operators' own. These programs read our resources from the API server and make
what the operators would make of them: names, ports, Secrets and their keys are those of the operators' documentation.
"""
