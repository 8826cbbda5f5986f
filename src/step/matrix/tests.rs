//! Which claims follow from a site and from what its hosts say.
