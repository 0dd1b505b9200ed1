#include <stdlib.h>

#include "base/check.h"
#include "tests/support/scenario.h"

static const char *word(const struct scenario_words *words, size_t index)
{
    return index < words->count ? words->word[index] : "";
}

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

const char *scenario_option(const struct scenario_words *words, const char *key)
{
    size_t length = strlen(key);
    for (size_t i = 1; i < words->count; i++) {
        if (strncmp(words->word[i], key, length) == 0 && words->word[i][length] == '=')
            return words->word[i] + length + 1;
    }
    return NULL;
}

uint64_t scenario_number(const struct scenario_words *words, const char *key, uint64_t otherwise)
{
    const char *text = scenario_option(words, key);
    return text == NULL ? otherwise : strtoull(text, NULL, 0);
}

static bool has(const struct scenario_words *words, const char *flag)
{
    for (size_t i = 1; i < words->count; i++) {
        if (is(words->word[i], flag))
            return true;
    }
    return false;
}

static uint64_t number(const char *text)
{
    return strtoull(text, NULL, 0);
}

/* "0" and "bypass" are the special stateids, "current" the compound's own; "s1.2", "s1" (seqid 0), "s1.2+1". */
static bool stateid_parse(struct scenario *scenario, const char *text, struct stateid4 *stateid)
{
    *stateid = (struct stateid4){0};
    if (is(text, "0"))
        return true;
    if (is(text, "bypass")) {
        memset(stateid, 0xff, sizeof(*stateid));
        return true;
    }
    if (is(text, "current")) {
        stateid->seqid = 1;
        return true;
    }
    char name[32];
    size_t length = strcspn(text, ".");
    CHECK(length < sizeof(name));
    memcpy(name, text, length);
    name[length] = '\0';
    struct slice other = scenario_value(scenario, SCENARIO_STATEID, name);
    if (other.size_bytes != sizeof(stateid->other))
        return false;
    memcpy(stateid->other, other.data, sizeof(stateid->other));
    if (text[length] == '.')
        stateid->seqid = (uint32_t)number(text + length + 1);
    return true;
}

static bool named_number(struct scenario *scenario, enum scenario_kind kind, const char *text, uint64_t *value)
{
    struct slice bytes = scenario_value(scenario, kind, text);
    if (bytes.size_bytes != sizeof(*value)) {
        *value = number(text);
        return text[0] >= '0' && text[0] <= '9';
    }
    memcpy(value, bytes.data, sizeof(*value));
    return true;
}

static bool session_parse(struct scenario *scenario, const char *text, struct sessionid4 *id)
{
    struct slice bytes = scenario_value(scenario, SCENARIO_SESSION, text);
    memset(id->data, 0x5a, sizeof(id->data));
    if (bytes.size_bytes != sizeof(id->data))
        return is(text, "forged");
    memcpy(id->data, bytes.data, sizeof(id->data));
    return true;
}

static struct verifier4 verifier_parse(const char *text)
{
    struct verifier4 verifier = {{0}};
    size_t length = strlen(text);
    memcpy(verifier.data, text, length < sizeof(verifier.data) ? length : sizeof(verifier.data));
    return verifier;
}

/* "a*5" is aaaaa; anything else itself. */
static struct slice data_parse(struct scenario *scenario, const char *text)
{
    const char *star = strchr(text, '*');
    if (star == NULL || star != text + 1)
        return slice_text(text);
    size_t size_bytes = (size_t)number(star + 1);
    uint8_t *bytes = arena_alloc(&scenario->arena, size_bytes);
    memset(bytes, text[0], size_bytes);
    return slice_make(bytes, size_bytes);
}

struct bitmap4 scenario_mask(struct scenario *scenario, const char *text)
{
    struct bitmap4 mask = {0};
    while (*text != '\0') {
        size_t length = strcspn(text, ",");
        bool found = false;
        for (uint32_t i = 0; i < NFS4_BITMAP_WORDS * 32 && !found; i++) {
            const char *name = fattr4_name(i);
            if (strlen(name) == length && strncmp(name, text, length) == 0) {
                bitmap4_add(&mask, i);
                found = true;
            }
        }
        if (!found && length > 0) {
            if (*text < '0' || *text > '9')
                scenario->problem = "an attribute that is none";
            else
                bitmap4_add(&mask, (uint32_t)number(text));
        }
        text += length + (text[length] == ',' ? 1 : 0);
    }
    return mask;
}

static void settime_parse(struct bitmap4 *mask, uint32_t attribute, const char *text, struct settime4 *time)
{
    if (text == NULL)
        return;
    bitmap4_add(mask, attribute);
    if (is(text, "now"))
        return;
    time->set_it = SET_TO_CLIENT_TIME4;
    time->time.seconds = (int64_t)number(text);
}

struct fattr4 scenario_fattr(struct scenario *scenario, const struct scenario_words *words, bool to_compare)
{
    struct bitmap4 mask = {0};
    struct nfs4_attributes values;
    const char *text;
    memset(&values, 0, sizeof(values));
    if ((text = scenario_option(words, "mode")) != NULL) {
        bitmap4_add(&mask, FATTR4_MODE);
        values.mode = (uint32_t)number(text);
    }
    if ((text = scenario_option(words, "mode_umask")) != NULL) {
        bitmap4_add(&mask, FATTR4_MODE_UMASK);
        values.mode_umask = (struct mode_umask4){(uint32_t)number(text), 022};
    }
    if ((text = scenario_option(words, "mode_masked")) != NULL) {
        bitmap4_add(&mask, FATTR4_MODE_SET_MASKED);
        values.mode_set_masked = (struct mode_masked4){(uint32_t)number(text), 0777};
    }
    if ((text = scenario_option(words, "size")) != NULL) {
        bitmap4_add(&mask, FATTR4_SIZE);
        values.size = number(text);
    }
    if ((text = scenario_option(words, "owner")) != NULL) {
        bitmap4_add(&mask, FATTR4_OWNER);
        values.owner = slice_text(text);
    }
    if ((text = scenario_option(words, "owner_group")) != NULL) {
        bitmap4_add(&mask, FATTR4_OWNER_GROUP);
        values.owner_group = slice_text(text);
    }
    settime_parse(&mask, FATTR4_TIME_ACCESS_SET, scenario_option(words, "atime"), &values.time_access_set);
    settime_parse(&mask, FATTR4_TIME_MODIFY_SET, scenario_option(words, "mtime"), &values.time_modify_set);
    if ((text = scenario_option(words, "time_create")) != NULL) {
        bitmap4_add(&mask, FATTR4_TIME_CREATE);
        values.time_create.seconds = (int64_t)number(text);
    }
    if (to_compare && (text = scenario_option(words, "type")) != NULL) {
        bitmap4_add(&mask, FATTR4_TYPE);
        values.type = is(text, "dir") ? NF4DIR : NF4REG;
    }
    if (!to_compare)
        return nfs4_fattr_for_set(&mask, &values, &scenario->arena);
    /* What is compared are readable attributes: encode them as a server would, and take the values out. */
    uint8_t *room = arena_alloc(&scenario->arena, 1024);
    struct xdr x = xdr_encoder((struct span){room, 1024});
    values.supported_attrs = nfs4_attributes_supported(2);
    bool fits = nfs4_fattr_encode(&x, &mask, &values);
    CHECK(fits);
    struct xdr back = xdr_decoder(xdr_encoded(&x), &scenario->arena);
    struct fattr4 fattr;
    fits = xdr_fattr4(&back, &fattr);
    CHECK(fits);
    if (scenario_option(words, "rdattr_error") != NULL)
        bitmap4_add(&fattr.attrmask, FATTR4_RDATTR_ERROR);
    return fattr;
}

static uint32_t letters(const char *text, const char *known, const uint32_t *bits)
{
    uint32_t value = 0;
    for (; *text != '\0'; text++) {
        const char *at = strchr(known, *text);
        if (at != NULL)
            value |= bits[at - known];
    }
    return value;
}

static uint32_t share(const char *text)
{
    if (is(text, "r"))
        return 1;
    if (is(text, "w"))
        return 2;
    return is(text, "rw") ? 3 : (uint32_t)number(text);
}

static enum nfs_lock_type4 lock_type(const char *text)
{
    if (is(text, "read"))
        return READ_LT;
    return is(text, "write") ? WRITE_LT : (enum nfs_lock_type4)number(text);
}

static bool args_client(struct scenario *scenario, const struct scenario_words *words, enum opnum4 op,
                        union nfs4_args *args)
{
    const char *sp = scenario_option(words, "protect");
    if (op == OP_EXCHANGE_ID) {
        args->opexchange_id.eia_clientowner.co_ownerid = slice_text(word(words, 1));
        args->opexchange_id.eia_clientowner.co_verifier = verifier_parse(word(words, 2));
        args->opexchange_id.eia_flags = (uint32_t)scenario_number(words, "flags", 0);
        if (sp != NULL)
            args->opexchange_id.eia_state_protect.spa_how = is(sp, "ssv") ? SP4_SSV : SP4_MACH_CRED;
        return true;
    }
    if (op == OP_DESTROY_CLIENTID)
        return named_number(scenario, SCENARIO_CLIENT, word(words, 1), &args->opdestroy_clientid.dca_clientid);
    args->opreclaim_complete.rca_one_fs = has(words, "one_fs");
    return true;
}

static bool args_create_session(struct scenario *scenario, const struct scenario_words *words,
                                struct CREATE_SESSION4args *args)
{
    args->csa_sequence = (uint32_t)number(word(words, 2));
    args->csa_flags = (uint32_t)scenario_number(words, "flags", CREATE_SESSION4_FLAG_PERSIST);
    args->csa_fore_chan_attrs = (struct channel_attrs4){
        .ca_maxrequestsize = (uint32_t)scenario_number(words, "request", 65536),
        .ca_maxresponsesize = (uint32_t)scenario_number(words, "response", 65536),
        .ca_maxresponsesize_cached = (uint32_t)scenario_number(words, "cached", 4096),
        .ca_maxoperations = (uint32_t)scenario_number(words, "operations", 16),
        .ca_maxrequests = (uint32_t)scenario_number(words, "slots", 8),
    };
    args->csa_back_chan_attrs = (struct channel_attrs4){
        .ca_maxrequestsize = (uint32_t)scenario_number(words, "back", 4096),
        .ca_maxresponsesize = 4096,
        .ca_maxoperations = 2,
        .ca_maxrequests = 1,
    };
    args->csa_cb_program = 0x40000000;
    args->csa_sec_parms = ARENA_NEW(&scenario->arena, struct callback_sec_parms4);
    args->csa_sec_parms_count = 1;
    return named_number(scenario, SCENARIO_CLIENT, word(words, 1), &args->csa_clientid);
}

static bool args_session(struct scenario *scenario, const struct scenario_words *words, enum opnum4 op,
                         union nfs4_args *args)
{
    const char *direction;
    if (op == OP_CREATE_SESSION)
        return args_create_session(scenario, words, &args->opcreate_session);
    if (op == OP_DESTROY_SESSION)
        return session_parse(scenario, word(words, 1), &args->opdestroy_session.dsa_sessionid);
    if (op == OP_BIND_CONN_TO_SESSION) {
        direction = word(words, 2);
        args->opbind_conn_to_session.bctsa_dir =
            is(direction, "fore") ? CDFC4_FORE : (is(direction, "back") ? CDFC4_BACK : CDFC4_FORE_OR_BOTH);
        return session_parse(scenario, word(words, 1), &args->opbind_conn_to_session.bctsa_sessid);
    }
    if (op == OP_BACKCHANNEL_CTL) {
        args->opbackchannel_ctl.bca_cb_program = (uint32_t)number(word(words, 1));
        args->opbackchannel_ctl.bca_sec_parms = ARENA_NEW(&scenario->arena, struct callback_sec_parms4);
        args->opbackchannel_ctl.bca_sec_parms_count = 1;
        return true;
    }
    args->opsequence.sa_sequenceid = (uint32_t)scenario_number(words, "seqid", 1);
    args->opsequence.sa_slotid = (uint32_t)scenario_number(words, "slot", 0);
    args->opsequence.sa_highest_slotid = (uint32_t)scenario_number(words, "highest", args->opsequence.sa_slotid);
    args->opsequence.sa_cachethis = has(words, "cache");
    return session_parse(scenario, word(words, 1), &args->opsequence.sa_sessionid);
}

static bool args_create(struct scenario *scenario, const struct scenario_words *words, struct CREATE4args *args)
{
    static const struct {
        const char *name;
        enum nfs_ftype4 type;
    } types[] = {{"dir", NF4DIR},   {"link", NF4LNK},  {"block", NF4BLK}, {"char", NF4CHR},
                 {"fifo", NF4FIFO}, {"sock", NF4SOCK}, {"file", NF4REG}};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (is(types[i].name, word(words, 1)))
            args->objtype.type = types[i].type;
    }
    args->objname = data_parse(scenario, word(words, 2));
    if (args->objtype.type == NF4LNK)
        args->objtype.u.linkdata = data_parse(scenario, scenario_option(words, "text"));
    if (args->objtype.type == NF4BLK || args->objtype.type == NF4CHR)
        args->objtype.u.devdata = (struct specdata4){(uint32_t)scenario_number(words, "major", 8),
                                                     (uint32_t)scenario_number(words, "minor", 1)};
    args->createattrs = scenario_fattr(scenario, words, false);
    return args->objtype.type != 0;
}

static bool args_open(struct scenario *scenario, const struct scenario_words *words, struct OPEN4args *args)
{
    const char *create = scenario_option(words, "create");
    const char *deny = scenario_option(words, "deny");
    const char *name = scenario_option(words, "name");
    const char *claim = scenario_option(words, "claim");
    args->owner.owner = slice_text(word(words, 1));
    args->share_access = share(word(words, 2)) | (uint32_t)scenario_number(words, "want", 0);
    args->share_deny = deny == NULL ? 0 : share(deny);
    args->claim.claim = claim == NULL ? (name != NULL ? CLAIM_NULL : CLAIM_FH) : (enum open_claim_type4)number(claim);
    if (name != NULL)
        args->claim.u.file = data_parse(scenario, name);
    if (create == NULL)
        return true;
    args->openhow.opentype = OPEN4_CREATE;
    struct fattr4 fattr = scenario_fattr(scenario, words, false);
    struct verifier4 verifier =
        verifier_parse(scenario_option(words, "verifier") == NULL ? "verifier" : scenario_option(words, "verifier"));
    if (is(create, "exclusive")) {
        args->openhow.how.mode = EXCLUSIVE4;
        args->openhow.how.u.createverf = verifier;
    } else if (is(create, "exclusive4_1")) {
        args->openhow.how.mode = EXCLUSIVE4_1;
        args->openhow.how.u.ch_createboth = (struct creatverfattr){verifier, fattr};
    } else {
        args->openhow.how.mode = is(create, "guarded") ? GUARDED4 : UNCHECKED4;
        args->openhow.how.u.createattrs = fattr;
    }
    return true;
}

static bool args_lock(struct scenario *scenario, const struct scenario_words *words, enum opnum4 op,
                      union nfs4_args *args)
{
    const char *owner = scenario_option(words, "owner");
    enum nfs_lock_type4 type = lock_type(word(words, 2));
    uint64_t offset = number(word(words, 3));
    uint64_t length = is(word(words, 4), "end") ? UINT64_MAX : number(word(words, 4));
    if (op == OP_LOCKT) {
        args->oplockt = (struct LOCKT4args){type, offset, length, {.owner = slice_text(word(words, 1))}};
        return true;
    }
    if (op == OP_LOCKU) {
        args->oplocku = (struct LOCKU4args){.locktype = type, .offset = offset, .length = length};
        return stateid_parse(scenario, word(words, 1), &args->oplocku.lock_stateid);
    }
    args->oplock = (struct LOCK4args){.locktype = type, .offset = offset, .length = length};
    args->oplock.reclaim = has(words, "reclaim");
    args->oplock.locker.new_lock_owner = owner != NULL;
    if (owner == NULL)
        return stateid_parse(scenario, word(words, 1), &args->oplock.locker.u.lock_owner.lock_stateid);
    args->oplock.locker.u.open_owner.lock_owner.owner = slice_text(owner);
    return stateid_parse(scenario, word(words, 1), &args->oplock.locker.u.open_owner.open_stateid);
}

static bool args_stateids(struct scenario *scenario, const struct scenario_words *words, union nfs4_args *args)
{
    args->optest_stateid.ts_stateids_count = (uint32_t)words->count - 1;
    args->optest_stateid.ts_stateids =
        arena_alloc_array(&scenario->arena, words->count, sizeof(*args->optest_stateid.ts_stateids));
    for (size_t i = 1; i < words->count; i++) {
        if (!stateid_parse(scenario, words->word[i], &args->optest_stateid.ts_stateids[i - 1]))
            return false;
    }
    return true;
}

static bool args_io(struct scenario *scenario, const struct scenario_words *words, enum opnum4 op,
                    union nfs4_args *args)
{
    if (op == OP_COMMIT) {
        args->opcommit = (struct COMMIT4args){number(word(words, 1)), (uint32_t)number(word(words, 2))};
        return true;
    }
    if (op == OP_READ) {
        args->opread.offset = number(word(words, 2));
        args->opread.count = (uint32_t)number(word(words, 3));
        return stateid_parse(scenario, word(words, 1), &args->opread.stateid);
    }
    args->opwrite.offset = number(word(words, 2));
    args->opwrite.stable = (enum stable_how4)scenario_number(words, "stable", 0);
    args->opwrite.data = data_parse(scenario, word(words, 3));
    return stateid_parse(scenario, word(words, 1), &args->opwrite.stateid);
}

static void args_readdir(struct scenario *scenario, const struct scenario_words *words, struct READDIR4args *args)
{
    const char *attributes = scenario_option(words, "attr");
    args->cookie = number(word(words, 1));
    args->cookieverf =
        verifier_parse(scenario_option(words, "verifier") == NULL ? "" : scenario_option(words, "verifier"));
    args->dircount = (uint32_t)scenario_number(words, "dircount", 8192);
    args->maxcount = (uint32_t)scenario_number(words, "maxcount", 8192);
    if (attributes != NULL)
        args->attr_request = scenario_mask(scenario, attributes);
}

bool scenario_args(struct scenario *scenario, const struct scenario_words *words, enum opnum4 *op,
                   union nfs4_args *args)
{
    static const uint32_t access_bits[] = {ACCESS4_READ,   ACCESS4_LOOKUP, ACCESS4_MODIFY,
                                           ACCESS4_EXTEND, ACCESS4_DELETE, ACCESS4_EXECUTE};
    *op = OP_ILLEGAL;
    for (uint32_t i = 0; i < OPNUM4_TABLE_SIZE; i++) {
        if (nfs4_operation_find(i) != NULL && is(nfs4_operation_find(i)->name, word(words, 0)))
            *op = (enum opnum4)i;
    }
    memset(args, 0, sizeof(*args));
    switch ((uint32_t)*op) {
    case OP_EXCHANGE_ID:
    case OP_DESTROY_CLIENTID:
    case OP_RECLAIM_COMPLETE: return args_client(scenario, words, *op, args);
    case OP_CREATE_SESSION:
    case OP_DESTROY_SESSION:
    case OP_BIND_CONN_TO_SESSION:
    case OP_BACKCHANNEL_CTL:
    case OP_SEQUENCE: return args_session(scenario, words, *op, args);
    case OP_PUTFH:
        args->opputfh.object = is(word(words, 1), "forged") ? slice_text("no handle of anybody's")
                                                            : scenario_value(scenario, SCENARIO_HANDLE, word(words, 1));
        return args->opputfh.object.size_bytes > 0;
    case OP_LOOKUP: args->oplookup.objname = data_parse(scenario, word(words, 1)); return true;
    case OP_ACCESS: args->opaccess.access = letters(word(words, 1), "rlmedx", access_bits); return true;
    case OP_GETATTR: args->opgetattr.attr_request = scenario_mask(scenario, word(words, 1)); return true;
    case OP_VERIFY:
    case OP_NVERIFY: args->opverify.obj_attributes = scenario_fattr(scenario, words, true); return true;
    case OP_SETATTR:
        args->opsetattr.obj_attributes = scenario_fattr(scenario, words, false);
        return stateid_parse(scenario, word(words, 1), &args->opsetattr.stateid);
    case OP_READDIR: args_readdir(scenario, words, &args->opreaddir); return true;
    case OP_CREATE: return args_create(scenario, words, &args->opcreate);
    case OP_OPEN: return args_open(scenario, words, &args->opopen);
    case OP_OPEN_DOWNGRADE:
        args->opopen_downgrade.share_access = share(word(words, 2));
        args->opopen_downgrade.share_deny = share(word(words, 3));
        return stateid_parse(scenario, word(words, 1), &args->opopen_downgrade.open_stateid);
    case OP_CLOSE: return stateid_parse(scenario, word(words, 1), &args->opclose.open_stateid);
    case OP_READ:
    case OP_WRITE:
    case OP_COMMIT: return args_io(scenario, words, *op, args);
    case OP_LOCK:
    case OP_LOCKT:
    case OP_LOCKU: return args_lock(scenario, words, *op, args);
    case OP_REMOVE: args->opremove.target = data_parse(scenario, word(words, 1)); return true;
    case OP_RENAME:
        args->oprename.oldname = data_parse(scenario, word(words, 1));
        args->oprename.newname = data_parse(scenario, word(words, 2));
        return true;
    case OP_LINK: args->oplink.newname = data_parse(scenario, word(words, 1)); return true;
    case OP_SECINFO: args->opsecinfo.name = data_parse(scenario, word(words, 1)); return true;
    case OP_SECINFO_NO_NAME:
        args->opsecinfo_no_name.style =
            is(word(words, 1), "parent") ? SECINFO_STYLE4_PARENT : SECINFO_STYLE4_CURRENT_FH;
        return true;
    case OP_TEST_STATEID: return args_stateids(scenario, words, args);
    case OP_FREE_STATEID: return stateid_parse(scenario, word(words, 1), &args->opfree_stateid.fsa_stateid);
    default: return *op != OP_ILLEGAL || is(word(words, 0), "ILLEGAL");
    }
}
