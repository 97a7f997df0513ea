"""Stored responses: the rules of RFC 9111 as pure functions, a store on disk, and a hot tier in memory."""
