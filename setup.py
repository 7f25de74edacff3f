__import__("setuptools").setup(setup_requires=["pbr"], pbr=True)
