DROP TABLE longest_refresh_ttl;
