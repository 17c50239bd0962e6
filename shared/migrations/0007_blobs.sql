-- Which blobs are still needed is asked by their keys.
create index runs_blob on runs (blob) where blob is not null;
create index runs_reject_blob on runs (reject_blob) where reject_blob is not null;
create index connectors_file_blob on connectors (file_blob) where file_blob is not null;
create index fingerprints_blob on fingerprints (blob);
