-- What an operator asks for at night, among all runs that are kept; and what a connector that is deleted leaves.
create index runs_failed on runs (id desc) where outcome = 'failed';
create index connection_tests_of_connector on connection_tests (connector_id);
