"""What tests share: where things are, tiny sites, a browser, and a learner's clean environment."""
