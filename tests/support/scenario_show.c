#include "base/check.h"
#include "tests/support/scenario.h"

static const char *type_name(enum nfs_ftype4 type)
{
    static const char *const names[] = {"?", "file", "dir", "block", "char", "link", "sock", "fifo", "?", "?"};
    return (uint32_t)type < sizeof(names) / sizeof(names[0]) ? names[type] : "?";
}

static void say_slice(struct scenario *scenario, struct slice text)
{
    scenario_say(scenario, "%.*s", (int)text.size_bytes, text.size_bytes == 0 ? "" : (const char *)text.data);
}

/* Seconds since the scenario began; a time that a client has set stands as it is. */
static void say_time(struct scenario *scenario, const struct nfstime4 *time)
{
    int64_t since = time->seconds - scenario->start_ns / 1000000000;
    if (since >= 0 && since < 1000000)
        scenario_say(scenario, "t+%lld.%03u", (long long)since, time->nseconds / 1000000);
    else
        scenario_say(scenario, "%lld", (long long)time->seconds);
}

static void say_change(struct scenario *scenario, const struct change_info4 *change)
{
    scenario_say(scenario, " %s%s", change->before == change->after ? "unchanged" : "changed",
                 change->atomic ? "" : " (not atomic)");
}

static void say_stateid(struct scenario *scenario, const struct stateid4 *stateid)
{
    const char *name = scenario_name(scenario, SCENARIO_STATEID, slice_make(stateid->other, sizeof(stateid->other)));
    scenario_say(scenario, " %s.%u", name, stateid->seqid);
}

void scenario_show_mask(struct scenario *scenario, const struct bitmap4 *mask)
{
    const char *comma = "";
    for (uint32_t i = 0; i < NFS4_BITMAP_WORDS * 32; i++) {
        if (bitmap4_has(mask, i)) {
            scenario_say(scenario, "%s%s", comma, fattr4_name(i));
            comma = ",";
        }
    }
}

/* The attributes that say something about a file; of the others only that they are there. */
static void show_attribute(struct scenario *scenario, uint32_t number, const struct nfs4_attributes *values)
{
    switch (number) {
    case FATTR4_TYPE: scenario_say(scenario, "=%s", type_name(values->type)); break;
    case FATTR4_SIZE: scenario_say(scenario, "=%llu", (unsigned long long)values->size); break;
    case FATTR4_MODE: scenario_say(scenario, "=%04o", values->mode); break;
    case FATTR4_NUMLINKS: scenario_say(scenario, "=%u", values->numlinks); break;
    case FATTR4_LEASE_TIME: scenario_say(scenario, "=%u", values->lease_time); break;
    case FATTR4_RDATTR_ERROR: scenario_say(scenario, "=%s", nfsstat4_name(values->rdattr_error)); break;
    case FATTR4_FSID: scenario_say(scenario, "=%llu", (unsigned long long)values->fsid.major); break;
    case FATTR4_RAWDEV: scenario_say(scenario, "=%u:%u", values->rawdev.specdata1, values->rawdev.specdata2); break;
    case FATTR4_OWNER:
        scenario_say(scenario, "=");
        say_slice(scenario, values->owner);
        break;
    case FATTR4_OWNER_GROUP:
        scenario_say(scenario, "=");
        say_slice(scenario, values->owner_group);
        break;
    case FATTR4_FILEHANDLE:
        scenario_say(scenario, "=%s", scenario_name(scenario, SCENARIO_HANDLE, values->filehandle));
        break;
    case FATTR4_TIME_ACCESS:
        scenario_say(scenario, "=");
        say_time(scenario, &values->time_access);
        break;
    case FATTR4_TIME_MODIFY:
        scenario_say(scenario, "=");
        say_time(scenario, &values->time_modify);
        break;
    case FATTR4_TIME_METADATA:
        scenario_say(scenario, "=");
        say_time(scenario, &values->time_metadata);
        break;
    case FATTR4_SPACE_USED: scenario_say(scenario, "=%llu", (unsigned long long)values->space_used); break;
    case FATTR4_MAXNAME: scenario_say(scenario, "=%u", values->maxname); break;
    default: break;
    }
}

void scenario_show_fattr(struct scenario *scenario, const struct fattr4 *fattr)
{
    struct nfs4_attributes values;
    struct bitmap4 supported = nfs4_attributes_supported(2);
    enum nfsstat4 status = nfs4_fattr_decode(fattr, &supported, NFS4_FATTR_ANY, &values);
    CHECK(status == NFS4_OK);
    for (uint32_t i = 0; i < NFS4_BITMAP_WORDS * 32; i++) {
        if (bitmap4_has(&fattr->attrmask, i)) {
            scenario_say(scenario, " %s", fattr4_name(i));
            show_attribute(scenario, i, &values);
        }
    }
}

/* Short text as it is, long runs of one byte as their length. */
static void show_data(struct scenario *scenario, struct slice data)
{
    size_t position = 0;
    scenario_say(scenario, " %zu bytes", data.size_bytes);
    for (unsigned runs = 0; position < data.size_bytes && runs < 8; runs++) {
        size_t end = position;
        while (end < data.size_bytes && data.data[end] == data.data[position])
            end++;
        size_t length = end - position;
        uint8_t byte = data.data[position];
        if (byte >= 0x20 && byte < 0x7f)
            scenario_say(scenario, length == 1 ? " %c" : " %c*%zu", byte, length);
        else
            scenario_say(scenario, " %02x*%zu", byte, length);
        position = end;
    }
    if (position < data.size_bytes)
        scenario_say(scenario, " ...");
}

static void show_denied(struct scenario *scenario, const struct LOCK4denied *denied)
{
    const char *client =
        scenario_name(scenario, SCENARIO_CLIENT, slice_make(&denied->owner.clientid, sizeof(uint64_t)));
    scenario_say(scenario, " by %s ", client);
    say_slice(scenario, denied->owner.owner);
    scenario_say(scenario, " %s %llu+", denied->locktype == WRITE_LT ? "write" : "read",
                 (unsigned long long)denied->offset);
    if (denied->length == UINT64_MAX)
        scenario_say(scenario, "end");
    else
        scenario_say(scenario, "%llu", (unsigned long long)denied->length);
}

static void show_open(struct scenario *scenario, const struct OPEN4resok *resok)
{
    say_stateid(scenario, &resok->stateid);
    say_change(scenario, &resok->cinfo);
    scenario_say(scenario, " rflags=%x", resok->rflags);
    if (!bitmap4_empty(&resok->attrset)) {
        scenario_say(scenario, " set ");
        scenario_show_mask(scenario, &resok->attrset);
    }
    if (resok->delegation.delegation_type == OPEN_DELEGATE_NONE_EXT)
        scenario_say(scenario, " no delegation: %u", (unsigned)resok->delegation.u.od_whynone.ond_why);
    else
        scenario_say(scenario, " delegation %u", (unsigned)resok->delegation.delegation_type);
}

static void show_readdir(struct scenario *scenario, const struct READDIR4resok *resok)
{
    scenario_say(scenario, "%s", resok->reply.eof ? " eof" : " more");
    for (const struct entry4 *entry = resok->reply.entries; entry != NULL; entry = entry->nextentry) {
        scenario_say(scenario, "\n    %llu ", (unsigned long long)entry->cookie);
        say_slice(scenario, entry->name);
        scenario_show_fattr(scenario, &entry->attrs);
    }
}

static void show_channel(struct scenario *scenario, const char *name, const struct channel_attrs4 *channel)
{
    scenario_say(scenario, " %s %u/%u/%u operations %u slots %u", name, channel->ca_maxrequestsize,
                 channel->ca_maxresponsesize, channel->ca_maxresponsesize_cached, channel->ca_maxoperations,
                 channel->ca_maxrequests);
}

static void show_exchange_id(struct scenario *scenario, const struct EXCHANGE_ID4resok *resok)
{
    scenario_say(scenario, " %s sequence %u flags %x owner ",
                 scenario_name(scenario, SCENARIO_CLIENT, slice_make(&resok->eir_clientid, sizeof(uint64_t))),
                 resok->eir_sequenceid, resok->eir_flags);
    say_slice(scenario, resok->eir_server_owner.so_major_id);
    scenario_say(scenario, " scope ");
    say_slice(scenario, resok->eir_server_scope);
}

static void show_session(struct scenario *scenario, enum opnum4 op, const union nfs4_result *result)
{
    if (op == OP_CREATE_SESSION) {
        const struct CREATE_SESSION4resok *made = &result->opcreate_session.csr_resok4;
        scenario_say(scenario, " %s sequence %u flags %x",
                     scenario_name(scenario, SCENARIO_SESSION, slice_make(made->csr_sessionid.data, 16)),
                     made->csr_sequence, made->csr_flags);
        show_channel(scenario, "fore", &made->csr_fore_chan_attrs);
        show_channel(scenario, "back", &made->csr_back_chan_attrs);
        return;
    }
    const struct SEQUENCE4resok *resok = &result->opsequence.sr_resok4;
    scenario_say(scenario, " slot %u seqid %u highest %u/%u", resok->sr_slotid, resok->sr_sequenceid,
                 resok->sr_highest_slotid, resok->sr_target_highest_slotid);
    if (resok->sr_status_flags != 0)
        scenario_say(scenario, " status %x", resok->sr_status_flags);
}

static void show_more(struct scenario *scenario, enum opnum4 op, const union nfs4_result *result)
{
    switch ((uint32_t)op) {
    case OP_EXCHANGE_ID: show_exchange_id(scenario, &result->opexchange_id.eir_resok4); break;
    case OP_CREATE_SESSION:
    case OP_SEQUENCE: show_session(scenario, op, result); break;
    case OP_BIND_CONN_TO_SESSION:
        scenario_say(scenario, " direction %u", (unsigned)result->opbind_conn_to_session.bctsr_resok4.bctsr_dir);
        break;
    case OP_ACCESS:
        scenario_say(scenario, " supported %02x access %02x", result->opaccess.resok4.supported,
                     result->opaccess.resok4.access);
        break;
    case OP_GETATTR: scenario_show_fattr(scenario, &result->opgetattr.resok4.obj_attributes); break;
    case OP_GETFH:
        scenario_say(scenario, " %s", scenario_name(scenario, SCENARIO_HANDLE, result->opgetfh.resok4.object));
        break;
    case OP_CREATE:
        say_change(scenario, &result->opcreate.resok4.cinfo);
        scenario_say(scenario, " set ");
        scenario_show_mask(scenario, &result->opcreate.resok4.attrset);
        break;
    case OP_OPEN: show_open(scenario, &result->opopen.resok4); break;
    case OP_OPEN_DOWNGRADE: say_stateid(scenario, &result->opopen_downgrade.resok4.open_stateid); break;
    case OP_CLOSE: break; /* whatever it is, it is of no use any more (RFC 8881 section 18.2.4) */
    case OP_LOCK: say_stateid(scenario, &result->oplock.u.resok4.lock_stateid); break;
    case OP_LOCKU: say_stateid(scenario, &result->oplocku.lock_stateid); break;
    case OP_READ:
        show_data(scenario, result->opread.resok4.data);
        scenario_say(scenario, "%s", result->opread.resok4.eof ? " eof" : "");
        break;
    case OP_WRITE:
        scenario_say(scenario, " %u bytes committed %u %s", result->opwrite.resok4.count,
                     (unsigned)result->opwrite.resok4.committed,
                     scenario_name(scenario, SCENARIO_VERIFIER, slice_make(result->opwrite.resok4.writeverf.data, 8)));
        break;
    case OP_COMMIT:
        scenario_say(scenario, " %s",
                     scenario_name(scenario, SCENARIO_VERIFIER, slice_make(result->opcommit.resok4.writeverf.data, 8)));
        break;
    case OP_READDIR: show_readdir(scenario, &result->opreaddir.resok4); break;
    case OP_READLINK:
        scenario_say(scenario, " ");
        say_slice(scenario, result->opreadlink.resok4.link);
        break;
    case OP_REMOVE: say_change(scenario, &result->opremove.resok4.cinfo); break;
    case OP_LINK: say_change(scenario, &result->oplink.resok4.cinfo); break;
    case OP_RENAME:
        scenario_say(scenario, " source");
        say_change(scenario, &result->oprename.resok4.source_cinfo);
        scenario_say(scenario, " target");
        say_change(scenario, &result->oprename.resok4.target_cinfo);
        break;
    case OP_SECINFO:
    case OP_SECINFO_NO_NAME:
        for (uint32_t i = 0; i < result->opsecinfo.resok4.entries_count; i++)
            scenario_say(scenario, " %u", result->opsecinfo.resok4.entries[i].flavor);
        break;
    case OP_TEST_STATEID:
        for (uint32_t i = 0; i < result->optest_stateid.tsr_resok4.tsr_status_codes_count; i++)
            scenario_say(scenario, " %s", nfsstat4_name(result->optest_stateid.tsr_resok4.tsr_status_codes[i]));
        break;
    default: break;
    }
}

void scenario_show(struct scenario *scenario, enum opnum4 op, const union nfs4_result *result)
{
    enum nfsstat4 status = result->status.status;
    scenario_say(scenario, "  %s %s", opnum4_name(op), status == NFS4_OK ? "OK" : nfsstat4_name(status) + 8);
    if (status == NFS4_OK)
        show_more(scenario, op, result);
    if (status == NFS4ERR_DENIED)
        show_denied(scenario, op == OP_LOCK ? &result->oplock.u.denied : &result->oplockt.denied);
    if (op == OP_SETATTR) {
        scenario_say(scenario, " set ");
        scenario_show_mask(scenario, &result->opsetattr.attrsset);
    }
    scenario_say(scenario, "\n");
}
