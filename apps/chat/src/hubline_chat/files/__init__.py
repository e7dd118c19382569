"""Files that people send with messages: uploads, storage, who may read them, and what models are told of them."""
