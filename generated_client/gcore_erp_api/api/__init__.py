# Generated. Do not edit: change openapi/ and run `make generate`.

"""Contains methods for accessing the API"""
