"""The vendor systems that run on Jobwire, one package each."""
