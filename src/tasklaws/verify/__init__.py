"""`tasklaws verify`: whether data, models, results, code and runs are those that dvc.lock and git vouch for."""
