#include "server/daemon/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <yaml.h>

#include "base/limits.h"
#include "cluster/endpoint.h"
#include "statestore/machine/export.h"

struct reading {
    struct arena *arena;
    struct config *config;
    char *trouble;
    size_t room;
};

static enum status complain(struct reading *reading, const char *format, ...) __attribute__((format(printf, 2, 3)));

static enum status complain(struct reading *reading, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reading->trouble, reading->room, format, arguments);
    va_end(arguments);
    return STATUS_BAD_DATA;
}

static const char *keep(struct reading *reading, const char *text)
{
    return arena_text(reading->arena, slice_text(text));
}

/* --- values --- */

static enum status read_number(struct reading *reading, const char *key, const char *text, uint32_t low, uint32_t high,
                               uint32_t *number)
{
    char *end;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || value < low || value > high)
        return complain(reading, "%s: '%s' is not a number from %u to %u", key, text, low, high);
    *number = (uint32_t)value;
    return STATUS_OK;
}

static enum status read_bool(struct reading *reading, const char *key, const char *text, bool *value)
{
    if (strcmp(text, "true") == 0 || strcmp(text, "yes") == 0)
        *value = true;
    else if (strcmp(text, "false") == 0 || strcmp(text, "no") == 0)
        *value = false;
    else
        return complain(reading, "%s: '%s' is neither true nor false", key, text);
    return STATUS_OK;
}

/* HOST:PORT, [V6]:PORT. */
static enum status read_address(struct reading *reading, const char *key, const char *text,
                                struct config_address *address)
{
    const char *colon = strrchr(text, ':');
    uint32_t port;
    if (colon == NULL || colon == text)
        return complain(reading, "%s: '%s' is not ADDRESS:PORT", key, text);
    enum status status = read_number(reading, key, colon + 1, 1, 65535, &port);
    if (status != STATUS_OK)
        return complain(reading, "%s: '%s' has no port from 1 to 65535", key, text);
    struct slice host = slice_make(text, (size_t)(colon - text));
    if (host.size_bytes >= 2 && host.data[0] == '[' && host.data[host.size_bytes - 1] == ']')
        host = slice_make(host.data + 1, host.size_bytes - 2);
    else if (memchr(host.data, ':', host.size_bytes) != NULL)
        return complain(reading, "%s: '%s': write an IPv6 address as [ADDRESS]:PORT", key, text);
    *address = (struct config_address){arena_text(reading->arena, host), (uint16_t)port};
    return STATUS_OK;
}

/* A,B,C */
static void read_list(struct reading *reading, const char *text, const char *const **items, size_t *count)
{
    size_t commas = 0;
    for (const char *next = text; *next != '\0'; next++)
        commas += *next == ',';
    const char **list = arena_alloc_array(reading->arena, commas + 1, sizeof(*list));
    size_t used = 0;
    while (*text != '\0') {
        size_t length = strcspn(text, ",");
        if (length > 0)
            list[used++] = arena_text(reading->arena, slice_make(text, length));
        text += length + (text[length] == ',');
    }
    *items = list;
    *count = used;
}

static enum status read_level(struct reading *reading, const char *key, const char *text, enum log_level *level)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (unsigned i = 0; i < 4; i++) {
        if (strcmp(text, names[i]) == 0) {
            *level = (enum log_level)i;
            return STATUS_OK;
        }
    }
    return complain(reading, "%s: '%s' is none of debug, info, warn, error", key, text);
}

/* --- keys: the same for the file and the flags --- */

enum key {
    KEY_DATA_DIR,
    KEY_NFS,
    KEY_PEER,
    KEY_ADVERTISE,
    KEY_ADMIN,
    KEY_PEER_CA,
    KEY_PEER_CERT,
    KEY_PEER_KEY,
    KEY_BOOTSTRAP,
    KEY_BOOTSTRAP_EXPECT,
    KEY_PEERS,
    KEY_JOIN,
    KEY_LOG_LEVEL,
    KEY_LOG_FORMAT,
    KEY_GATEWAY_THREADS,
    KEY_FORCE_GRACE,
    KEY_COUNT
};

static const struct {
    const char *name;
    bool is_switch; /* as a flag it takes no value */
} keys[] = {
    [KEY_DATA_DIR] = {"data-dir", false},
    [KEY_NFS] = {"nfs", false},
    [KEY_PEER] = {"peer", false},
    [KEY_ADVERTISE] = {"advertise", false},
    [KEY_ADMIN] = {"admin", false},
    [KEY_PEER_CA] = {"peer-ca", false},
    [KEY_PEER_CERT] = {"peer-cert", false},
    [KEY_PEER_KEY] = {"peer-key", false},
    [KEY_BOOTSTRAP] = {"bootstrap", true},
    [KEY_BOOTSTRAP_EXPECT] = {"bootstrap-expect", false},
    [KEY_PEERS] = {"peers", false},
    [KEY_JOIN] = {"join", false},
    [KEY_LOG_LEVEL] = {"log-level", false},
    [KEY_LOG_FORMAT] = {"log-format", false},
    [KEY_GATEWAY_THREADS] = {"gateway-threads", false},
    [KEY_FORCE_GRACE] = {"force-grace", true},
};
_Static_assert(sizeof(keys) / sizeof(keys[0]) == KEY_COUNT, "every key has its row");

static enum key key_find(const char *name)
{
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        if (strcmp(keys[i].name, name) == 0)
            return (enum key)i;
    }
    return KEY_COUNT;
}

static enum status config_set(struct reading *reading, enum key key, const char *text)
{
    struct config *config = reading->config;
    const char *name = keys[key].name;
    if (text[0] == '\0')
        return complain(reading, "%s: the value is empty", name);
    switch (key) {
    case KEY_DATA_DIR: config->data_dir = keep(reading, text); return STATUS_OK;
    case KEY_NFS: return read_address(reading, name, text, &config->nfs);
    case KEY_PEER: return read_address(reading, name, text, &config->peer);
    case KEY_ADVERTISE: return read_address(reading, name, text, &config->advertise);
    case KEY_ADMIN: return read_address(reading, name, text, &config->admin);
    case KEY_PEER_CA: config->peer_ca = keep(reading, text); return STATUS_OK;
    case KEY_PEER_CERT: config->peer_cert = keep(reading, text); return STATUS_OK;
    case KEY_PEER_KEY: config->peer_key = keep(reading, text); return STATUS_OK;
    case KEY_BOOTSTRAP: return read_bool(reading, name, text, &config->bootstrap);
    case KEY_BOOTSTRAP_EXPECT: return read_number(reading, name, text, 1, 9, &config->bootstrap_expect);
    case KEY_PEERS: read_list(reading, text, &config->peers, &config->peer_count); return STATUS_OK;
    case KEY_JOIN: read_list(reading, text, &config->join, &config->join_count); return STATUS_OK;
    case KEY_LOG_LEVEL: return read_level(reading, name, text, &config->log_level);
    case KEY_LOG_FORMAT:
        if (strcmp(text, "text") != 0 && strcmp(text, "json") != 0)
            return complain(reading, "%s: '%s' is neither text nor json", name, text);
        config->log_json = text[0] == 'j';
        return STATUS_OK;
    case KEY_GATEWAY_THREADS: return read_number(reading, name, text, 1, GATEWAY_THREADS_MAX, &config->gateway_threads);
    case KEY_FORCE_GRACE: return read_bool(reading, name, text, &config->force_grace);
    case KEY_COUNT: break;
    }
    return complain(reading, "%s: unknown", name);
}

/* --- the file --- */

static const char *scalar(const yaml_node_t *node)
{
    return node != NULL && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

/* A sequence of scalars, or one scalar with commas. */
static bool yaml_list(struct reading *reading, yaml_document_t *document, const yaml_node_t *node,
                      const char *const **items, size_t *count)
{
    if (scalar(node) != NULL) {
        read_list(reading, scalar(node), items, count);
        return true;
    }
    if (node == NULL || node->type != YAML_SEQUENCE_NODE)
        return false;
    size_t length = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    const char **list = arena_alloc_array(reading->arena, length + 1, sizeof(*list));
    for (size_t i = 0; i < length; i++) {
        const char *text = scalar(yaml_document_get_node(document, node->data.sequence.items.start[i]));
        if (text == NULL)
            return false;
        list[i] = keep(reading, text);
    }
    *items = list;
    *count = length;
    return true;
}

/* "sys" is the one flavor that is served now. */
static enum status read_flavors(struct reading *reading, const char *const *names, size_t count,
                                struct config_export *export)
{
    uint32_t *flavors = arena_alloc_array(reading->arena, count + 1, sizeof(*flavors));
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], "sys") != 0)
            return complain(reading, "exports: sec: '%s' is not known; this version serves sys", names[i]);
        flavors[i] = 1;
    }
    export->flavors = flavors;
    export->flavor_count = count;
    return STATUS_OK;
}

static enum status read_export_key(struct reading *reading, yaml_document_t *document, const char *key,
                                   const yaml_node_t *value, struct config_export *export)
{
    const char *text = scalar(value);
    if (strcmp(key, "clients") == 0) {
        if (!yaml_list(reading, document, value, &export->clients, &export->client_count))
            return complain(reading, "exports: clients: want a list of addresses or networks");
        return STATUS_OK;
    }
    if (strcmp(key, "sec") == 0) {
        const char *const *names;
        size_t count;
        if (!yaml_list(reading, document, value, &names, &count))
            return complain(reading, "exports: sec: want a list, such as [sys]");
        return read_flavors(reading, names, count, export);
    }
    if (text == NULL)
        return complain(reading, "exports: %s: want one value", key);
    if (strcmp(key, "path") == 0) {
        export->path = keep(reading, text);
        return STATUS_OK;
    }
    if (strcmp(key, "read-only") == 0)
        return read_bool(reading, "exports: read-only", text, &export->read_only);
    if (strcmp(key, "squash") == 0) {
        static const char *const names[] = {"root", "all", "none"};
        for (uint32_t i = 0; i < 3; i++) {
            if (strcmp(text, names[i]) == 0) {
                export->squash = i;
                return STATUS_OK;
            }
        }
        return complain(reading, "exports: squash: '%s' is none of root, all, none", text);
    }
    return complain(reading, "exports: unknown key '%s'; there are path, read-only, squash, clients, sec", key);
}

static enum status read_exports(struct reading *reading, yaml_document_t *document, const yaml_node_t *node)
{
    if (node == NULL || node->type != YAML_SEQUENCE_NODE)
        return complain(reading, "exports: want a list");
    size_t count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    if (count > EXPORTS_MAX)
        return complain(reading, "exports: more than %u", EXPORTS_MAX);
    struct config_export *exports = arena_alloc_array(reading->arena, count + 1, sizeof(*exports));
    for (size_t i = 0; i < count; i++) {
        yaml_node_t *item = yaml_document_get_node(document, node->data.sequence.items.start[i]);
        if (item == NULL || item->type != YAML_MAPPING_NODE)
            return complain(reading, "exports: entry %zu is not a mapping with a path", i + 1);
        for (yaml_node_pair_t *pair = item->data.mapping.pairs.start; pair < item->data.mapping.pairs.top; pair++) {
            const char *key = scalar(yaml_document_get_node(document, pair->key));
            if (key == NULL)
                return complain(reading, "exports: entry %zu has a key that is no text", i + 1);
            enum status status =
                read_export_key(reading, document, key, yaml_document_get_node(document, pair->value), &exports[i]);
            if (status != STATUS_OK)
                return status;
        }
        if (exports[i].path == NULL)
            return complain(reading, "exports: entry %zu has no path", i + 1);
    }
    reading->config->exports = exports;
    reading->config->export_count = count;
    return STATUS_OK;
}

static enum status read_file_key(struct reading *reading, yaml_document_t *document, const char *name,
                                 const yaml_node_t *value)
{
    if (strcmp(name, "exports") == 0)
        return read_exports(reading, document, value);
    enum key key = key_find(name);
    if (key == KEY_COUNT)
        return complain(reading, "unknown key '%s'", name);
    struct config *config = reading->config;
    if (key == KEY_PEERS || key == KEY_JOIN) {
        bool ok = key == KEY_PEERS ? yaml_list(reading, document, value, &config->peers, &config->peer_count)
                                   : yaml_list(reading, document, value, &config->join, &config->join_count);
        return ok ? STATUS_OK : complain(reading, "%s: want a list of HOST:PORT", name);
    }
    const char *text = scalar(value);
    if (text == NULL)
        return complain(reading, "%s: want one value", name);
    return config_set(reading, key, text);
}

static enum status read_document(struct reading *reading, yaml_document_t *document)
{
    yaml_node_t *root = yaml_document_get_root_node(document);
    if (root == NULL)
        return STATUS_OK; /* an empty file */
    if (root->type != YAML_MAPPING_NODE)
        return complain(reading, "want `key: value` lines");
    for (yaml_node_pair_t *pair = root->data.mapping.pairs.start; pair < root->data.mapping.pairs.top; pair++) {
        const char *name = scalar(yaml_document_get_node(document, pair->key));
        if (name == NULL)
            return complain(reading, "a key that is no text");
        enum status status = read_file_key(reading, document, name, yaml_document_get_node(document, pair->value));
        if (status != STATUS_OK)
            return status;
    }
    return STATUS_OK;
}

static enum status read_file(struct reading *reading, const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return complain(reading, "--config: %s: %s", path, strerror(errno));
    yaml_parser_t parser;
    yaml_document_t document;
    enum status status;
    if (yaml_parser_initialize(&parser) == 0) {
        fclose(file);
        return complain(reading, "--config: %s: no memory", path);
    }
    yaml_parser_set_input_file(&parser, file);
    if (yaml_parser_load(&parser, &document) == 0) {
        status = complain(reading, "--config: %s:%zu: %s", path, parser.problem_mark.line + 1,
                          parser.problem != NULL ? parser.problem : "not YAML");
    } else {
        char inner[512];
        struct reading nested = *reading;
        nested.trouble = inner;
        nested.room = sizeof(inner);
        status = read_document(&nested, &document);
        if (status != STATUS_OK)
            complain(reading, "--config: %s: %s", path, inner);
        yaml_document_delete(&document);
    }
    yaml_parser_delete(&parser);
    fclose(file);
    return status;
}

/* --- the flags --- */

struct flag {
    const char *name; /* without the dashes */
    const char *value;
};

/* Cuts the argument at *next into name and value (--name VALUE, --name=VALUE). */
static enum status flag_read(struct reading *reading, int count, char **arguments, int *next, struct flag *flag)
{
    const char *argument = arguments[*next];
    if (strncmp(argument, "--", 2) != 0 || argument[2] == '\0')
        return complain(reading, "unexpected argument '%s'; see --help", argument);
    const char *equals = strchr(argument, '=');
    size_t length = equals == NULL ? strlen(argument) - 2 : (size_t)(equals - argument) - 2;
    flag->name = arena_text(reading->arena, slice_make(argument + 2, length));
    flag->value = equals == NULL ? NULL : equals + 1;
    *next += 1;
    enum key key = key_find(flag->name);
    if (key == KEY_COUNT && strcmp(flag->name, "config") != 0 && strcmp(flag->name, "help") != 0 &&
        strcmp(flag->name, "version") != 0)
        return complain(reading, "unknown flag --%s; see --help", flag->name);
    bool is_switch = key == KEY_COUNT ? strcmp(flag->name, "config") != 0 : keys[key].is_switch;
    if (flag->value == NULL && is_switch)
        flag->value = "true";
    if (flag->value == NULL) {
        if (*next >= count)
            return complain(reading, "--%s wants a value", flag->name);
        flag->value = arguments[(*next)++];
    }
    return STATUS_OK;
}

static enum status flag_apply(struct reading *reading, const struct flag *flag)
{
    if (strcmp(flag->name, "help") == 0)
        reading->config->help = true;
    else if (strcmp(flag->name, "version") == 0)
        reading->config->version = true;
    else if (strcmp(flag->name, "config") != 0)
        return config_set(reading, key_find(flag->name), flag->value);
    return STATUS_OK;
}

/* --- whether it all fits together --- */

static enum status judge_list(struct reading *reading, const char *key, const char *const *items, size_t count,
                              struct endpoint_list *list)
{
    for (size_t i = 0; i < count; i++) {
        struct peer_endpoint endpoint;
        if (endpoint_parse(slice_text(items[i]), &endpoint) != STATUS_OK)
            return complain(reading, "%s: '%s' is not HOST:PORT", key, items[i]);
        if (endpoint_list_find(list, &endpoint) >= 0)
            return complain(reading, "%s: '%s' stands there twice", key, items[i]);
        if (!endpoint_list_add(list, &endpoint))
            return complain(reading, "%s: more than %u nodes", key, CLUSTER_MEMBERS_MAX);
    }
    return STATUS_OK;
}

/* Others call it, so it must be a real name or address. */
static enum status judge_advertise(struct reading *reading, struct peer_endpoint *self)
{
    const struct config_address *advertise = &reading->config->advertise;
    if (endpoint_make(advertise->host, advertise->port, self) != STATUS_OK)
        return complain(reading, "advertise: '%s:%u' is not HOST:PORT", advertise->host, (unsigned)advertise->port);
    if (strcmp(self->host, "0.0.0.0") == 0 || strcmp(self->host, "::") == 0)
        return complain(reading, "advertise: '%s' is no address that others can call", endpoint_print(self).text);
    return STATUS_OK;
}

/* It is listened on, so no name. */
static enum status judge_peer(struct reading *reading)
{
    const char *host = reading->config->peer.host;
    struct in6_addr address; /* room for either family */
    if (inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1)
        return STATUS_OK;
    return complain(reading, "peer: '%s' is not a numeric address; names are for advertise", host);
}

/* All three files, or none. */
static enum status judge_files(struct reading *reading, bool wanted)
{
    const struct config *config = reading->config;
    const char *missing = config->peer_ca == NULL ? "peer-ca" : config->peer_cert == NULL ? "peer-cert" : "peer-key";
    bool any = config->peer_ca != NULL || config->peer_cert != NULL || config->peer_key != NULL;
    bool all = config->peer_ca != NULL && config->peer_cert != NULL && config->peer_key != NULL;
    if (any && !all)
        return complain(reading, "%s is missing: peer-ca, peer-cert and peer-key belong together", missing);
    if (wanted && !all)
        return complain(reading,
                        "peer-ca, peer-cert, peer-key: wanted as soon as there are other nodes; see qnfsctl ca");
    return STATUS_OK;
}

/* --bootstrap-expect alone is --bootstrap. */
static enum status judge_expect(struct reading *reading, const struct peer_endpoint *self)
{
    struct config *config = reading->config;
    struct endpoint_list list = {0};
    enum status status = judge_list(reading, "peers", config->peers, config->peer_count, &list);
    if (status != STATUS_OK)
        return status;
    bool counted = self == NULL || endpoint_list_find(&list, self) >= 0;
    uint32_t count = list.count + (counted ? 0 : 1);
    if (config->bootstrap_expect == 1 && count <= 1) {
        config->bootstrap = true;
        config->bootstrap_expect = 0;
        return STATUS_OK;
    }
    if (list.count == 0)
        return complain(reading, "bootstrap-expect: wants --peers, the HOST:PORT of all nodes");
    if (self == NULL)
        return complain(reading,
                        "advertise: wanted with bootstrap-expect: the HOST:PORT by which the others reach this node");
    if (count != config->bootstrap_expect)
        return complain(reading, "bootstrap-expect: %u, but with this node (%s) --peers names %u",
                        config->bootstrap_expect, endpoint_print(self).text, count);
    return STATUS_OK;
}

static enum status judge(struct reading *reading)
{
    const struct config *config = reading->config;
    struct peer_endpoint self;
    struct endpoint_list join = {0};
    enum status status;
    bool named = config->advertise.host != NULL;
    int modes = (config->bootstrap ? 1 : 0) + (config->bootstrap_expect > 0 ? 1 : 0) + (config->join_count > 0 ? 1 : 0);
    if (modes > 1)
        return complain(reading, "only one of --bootstrap, --bootstrap-expect and --join can be given");
    if (config->peer_count > 0 && config->bootstrap_expect == 0)
        return complain(reading, "peers: only together with --bootstrap-expect");
    status = judge_peer(reading);
    if (status == STATUS_OK && named)
        status = judge_advertise(reading, &self);
    if (status == STATUS_OK && config->bootstrap_expect > 0)
        status = judge_expect(reading, named ? &self : NULL);
    if (status == STATUS_OK)
        status = judge_list(reading, "join", config->join, config->join_count, &join);
    if (status == STATUS_OK && config->join_count > 0 && !named)
        status = complain(reading, "advertise: wanted with join: the HOST:PORT by which the others reach this node");
    return status == STATUS_OK ? judge_files(reading, config->bootstrap_expect > 0 || config->join_count > 0) : status;
}

enum status config_read(int argument_count, char **arguments, struct arena *arena, struct config *config, char *trouble,
                        size_t room)
{
    *config = (struct config){
        .data_dir = "./qnfs-data",
        .nfs = {"0.0.0.0", 2049},
        .peer = {"0.0.0.0", 7049},
        .admin = {"127.0.0.1", 8049},
        .log_level = LOG_INFO,
    };
    struct reading reading = {arena, config, trouble, room};
    struct flag flag = {NULL, NULL};
    /* The file first, wherever --config stands, so that a flag beats it. */
    for (int pass = 0; pass < 2; pass++) {
        for (int next = 1; next < argument_count;) {
            enum status status = flag_read(&reading, argument_count, arguments, &next, &flag);
            if (status == STATUS_OK && pass == 0 && strcmp(flag.name, "config") == 0)
                status = read_file(&reading, flag.value);
            if (status == STATUS_OK && pass == 1)
                status = flag_apply(&reading, &flag);
            if (status != STATUS_OK)
                return status;
        }
    }
    return config->help || config->version ? STATUS_OK : judge(&reading);
}

const char *config_usage(void)
{
    return "qnfsd: a node of a QuorumNFS cluster\n"
           "\n"
           "  --config FILE            YAML; every key below without its dashes, and `exports`\n"
           "  --data-dir DIR           what the node keeps (./qnfs-data)\n"
           "  --nfs ADDRESS:PORT       where clients connect (0.0.0.0:2049)\n"
           "  --admin ADDRESS:PORT     where qnfsctl and monitoring connect (127.0.0.1:8049)\n"
           "  --peer ADDRESS:PORT      where other nodes connect (0.0.0.0:7049)\n"
           "  --advertise HOST:PORT    by which they reach this one\n"
           "  --peer-ca FILE, --peer-cert FILE, --peer-key FILE\n"
           "                           who this node is to them, and whom it believes (qnfsctl ca)\n"
           "  --bootstrap              begin a new cluster of one node, if the data directory is empty\n"
           "  --bootstrap-expect N --peers A,B,C\n"
           "                           begin a new cluster of N nodes, once all of them are there, each HOST:PORT\n"
           "  --join A,B,C             become a new node of the cluster of these\n"
           "  --gateway-threads N      threads that serve clients (one a core)\n"
           "  --log-level LEVEL        debug, info, warn, error (info)\n"
           "  --log-format FORMAT      text or json (text)\n"
           "  --force-grace            not in this version\n"
           "  --help, --version\n"
           "\n"
           "It stays in the foreground, logs to stderr, writes `ready` when it serves, and ends on SIGTERM.\n";
}
