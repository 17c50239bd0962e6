-- Imports of large files: what they write costs half, and a lead that is deleted still takes with it what belongs to it.

-- A foreign key looks its lead up again for each contact and key, which was half of an import's time in PostgreSQL.
alter table lead_keys drop constraint lead_keys_org_id_lead_id_fkey;
alter table contacts drop constraint contacts_org_id_lead_id_fkey;
alter table deals drop constraint deals_org_id_lead_id_fkey;

alter table leads
    drop constraint leads_pkey,
    drop constraint leads_org_id_id_key,
    add primary key (org_id, id);

-- Nobody reads them in a language's order, and bytes compare faster.
alter table lead_keys alter column key type text collate "C";
alter table contacts alter column key type text collate "C";
alter table deals alter column crm_id type text collate "C";

-- Only to find the keys of a deleted lead. Ids are time-ordered, so this one grows at its end.
drop index lead_keys_of_lead;
create index lead_keys_of_lead on lead_keys (lead_id);

-- What foreign keys with ON DELETE CASCADE would do, once a statement. An importer that adds to a lead holds a key-share lock
-- on it, so a delete waits for it and then sees what it added. That holds in READ COMMITTED alone, where each statement here
-- sees what was committed before it. Planned at each call: a plan for one lead is no plan for a hundred thousand.
create function delete_with_leads() returns trigger language plpgsql as $$
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'leads are deleted in READ COMMITTED only: else what an import adds to them meanwhile would stay';
    end if;
    execute 'delete from lead_keys k using gone g where k.org_id = g.org_id and k.lead_id = g.id';
    execute 'delete from contacts c using gone g where c.org_id = g.org_id and c.lead_id = g.id';
    execute 'delete from deals d using gone g where d.org_id = g.org_id and d.lead_id = g.id';
    return null;
end
$$;
create trigger delete_with_leads after delete on leads
    referencing old table as gone for each statement execute function delete_with_leads();
