# Generated. Do not edit: change openapi/ and run `make generate`.

"""Contains endpoint functions for accessing the API"""
