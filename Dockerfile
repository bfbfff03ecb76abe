# The release as an image: `cargo xtask dist`, then `docker build -t countersign .` or `buildah build -t countersign .`
FROM scratch
COPY target/dist/countersign /usr/local/bin/countersign
# For SQLite; with PostgreSQL nothing is written.
COPY --chown=65532:65532 target/dist/data /data
# There is no /etc/passwd: a number is all that a user is.
USER 65532:65532
# So that the default, sqlite://data/countersign.db, is in the volume. It is not said by COUNTERSIGN_DATABASE__URL here: whoever
# gives COUNTERSIGN_DATABASE__URL_FILE would then have said it twice, which is refused.
WORKDIR /
VOLUME /data
# Nothing else can be written: what SQLite sorts on the disk and imports from a pipe go there too.
ENV PATH=/usr/local/bin \
    TMPDIR=/data \
    COUNTERSIGN_PROFILE=production \
    COUNTERSIGN_HTTP__LISTEN=0.0.0.0:4000
EXPOSE 4000
# No HEALTHCHECK: load balancers and Kubernetes ask /readyz themselves, and the image holds no program that could.
ENTRYPOINT ["countersign"]
CMD ["serve"]
