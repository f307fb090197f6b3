"""People as an LDAP server or Active Directory knows them: who exists, whose password it is, what groups."""
