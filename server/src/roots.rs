//! Whose certificates are believed of what this server connects to.

use rustls::RootCertStore;

/// Those of the system; where it has none, as an image from scratch, those that browsers believe.
pub fn system_roots() -> RootCertStore {
    let native = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    // A system whose certificates cannot be read is at fault, and told so.
    if native.certs.is_empty() && native.errors.is_empty() {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    store.add_parsable_certificates(native.certs);
    store
}
