"""Programs for the interpreter that has Lava. Shipped and exported with the package, which never imports them."""
