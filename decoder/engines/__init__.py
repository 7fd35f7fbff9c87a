"""One file an engine. They never import each other; `decoder.engine.ENGINES` names them."""
