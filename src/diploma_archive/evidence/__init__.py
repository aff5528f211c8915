"""Is what lies under one certificate, and in the chain of run reports, what it was?"""
