"""What every room needs: errors, files, devices, versions, and the command lines' common part."""
