#include <stdio.h>

#include "base/limits.h"
#include "server/daemon/admin_request.h"
#include "server/daemon/admin_text.h"
#include "statestore/machine/address.h"
#include "statestore/machine/cidr.h"
#include "statestore/machine/node.h"

/* --- list --- */

/* Why nobody has it: what each running node says. */
static json_t *address_why(struct admin_request *request, const struct address *address)
{
    struct incarnation open[NODE_PROCESSES_MAX];
    size_t count = incarnation_list(request->view, request->arena, open, NODE_PROCESSES_MAX);
    json_t *why = json_array();
    for (size_t i = 0; i < count; i++) {
        struct slice trouble = address_trouble(request->view, address->id, open[i].id, request->arena);
        if (trouble.size_bytes > 0)
            json_array_append_new(
                why, json_pack("{s:o,s:o}", "node", admin_number(open[i].node), "why", admin_text(trouble)));
    }
    return why;
}

static const char *address_state(const struct address *address, bool is_here)
{
    if (address->leaving)
        return "leaves";
    if (address->next.value != 0)
        return "moves";
    if (is_here)
        return "here";
    return address->owner.value == 0 ? "free" : "elsewhere";
}

static json_t *address_row(struct admin_request *request, const struct address *address)
{
    const struct admin_ports *ports = &request->shared->ports;
    char text[ADDRESS_TEXT_BYTES];
    address_text(address, text);
    bool is_here = ports->has_address(ports->context, address->id);
    return json_pack("{s:o,s:s,s:o,s:o,s:o,s:o,s:s,s:o}", "id", admin_number(address->id), "address", text, "device",
                     admin_text(address->device), "node",
                     address->owner.value == 0 ? json_null() : admin_number(address->owner_node), "epoch",
                     admin_number(address->epoch), "since_ns", json_integer(address->since_wall_ns), "state",
                     address_state(address, is_here), "trouble", address_why(request, address));
}

void admin_address_list(struct admin_request *request, struct admin_answer *answer)
{
    struct address *addresses;
    size_t count = address_list(request->view, request->arena, &addresses);
    json_t *rows = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(rows, address_row(request, &addresses[i]));
    admin_answer_json(answer, 200, json_pack("{s:o,s:b}", "addresses", rows, "more", 0));
}

/* --- changes --- */

/* The address in `text`; false with an answer. With `network` a prefix length must stand behind it. */
static bool address_read(const char *text, bool network, struct cidr *cidr, struct admin_answer *answer)
{
    const char *example = network ? "192.0.2.10/24" : "192.0.2.10";
    if (text == NULL || !cidr_parse(slice_text(text), cidr) || (network && strchr(text, '/') == NULL)) {
        admin_answer_error(answer, 400, "'%s' is no address%s: want for example %s", text == NULL ? "" : text,
                           network ? " with its network" : "", example);
        return false;
    }
    if (!cidr->is_ipv4) {
        admin_answer_error(answer, 400, "'%s': floating addresses are IPv4 in this version", text);
        return false;
    }
    return true;
}

static void address_add_from(struct admin_request *request, const json_t *document, struct admin_answer *answer)
{
    Qnfs__AddressAdd body = QNFS__ADDRESS_ADD__INIT;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    Qnfs__Result *result;
    struct cidr cidr;
    const char *text = json_string_value(json_object_get(document, "address"));
    const json_t *device = json_object_get(document, "device");
    if (!address_read(text, true, &cidr, answer))
        return;
    if (device != NULL && !json_is_string(device)) {
        admin_answer_error(answer, 400, "device: want a text, such as \"eth0\"");
        return;
    }
    body.address = (ProtobufCBinaryData){4, cidr.bytes};
    body.prefix_bits = cidr.prefix_bits;
    if (device != NULL)
        body.device = (ProtobufCBinaryData){json_string_length(device), (uint8_t *)json_string_value(device)};
    command.body_case = QNFS__COMMAND__BODY_ADDRESS_ADD;
    command.address_add = &body;
    char what[64];
    snprintf(what, sizeof(what), "address add %s", text);
    if (admin_execute(request, &command, what, answer, &result))
        admin_answer_json(answer, 200, json_pack("{s:s}", "address", text));
}

void admin_address_add(struct admin_request *request, struct admin_answer *answer)
{
    json_t *document = admin_body(request, answer);
    if (document == NULL)
        return;
    address_add_from(request, document, answer);
    json_decref(document);
}

void admin_address_remove(struct admin_request *request, struct admin_answer *answer)
{
    Qnfs__AddressRemove body = QNFS__ADDRESS_REMOVE__INIT;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    Qnfs__Result *result;
    struct cidr cidr;
    const char *text = request->parameter(request->parameter_context, "address");
    if (!address_read(text, false, &cidr, answer))
        return;
    body.address = (ProtobufCBinaryData){4, cidr.bytes};
    command.body_case = QNFS__COMMAND__BODY_ADDRESS_REMOVE;
    command.address_remove = &body;
    char what[64];
    snprintf(what, sizeof(what), "address remove %s", text);
    if (admin_execute(request, &command, what, answer, &result))
        admin_answer_json(answer, 200, json_pack("{s:s}", "address", text));
}

static void address_move_from(struct admin_request *request, const json_t *document, struct admin_answer *answer)
{
    Qnfs__AddressMove body = QNFS__ADDRESS_MOVE__INIT;
    Qnfs__Command command = QNFS__COMMAND__INIT;
    Qnfs__Result *result;
    struct cidr cidr;
    const char *text = json_string_value(json_object_get(document, "address"));
    const json_t *node = json_object_get(document, "node");
    if (!address_read(text, false, &cidr, answer))
        return;
    if (!json_is_integer(node) || json_integer_value(node) <= 0) {
        admin_answer_error(answer, 400, "node: want a node id");
        return;
    }
    body.address = (ProtobufCBinaryData){4, cidr.bytes};
    body.node = (uint64_t)json_integer_value(node);
    command.body_case = QNFS__COMMAND__BODY_ADDRESS_MOVE;
    command.address_move = &body;
    char what[64];
    snprintf(what, sizeof(what), "address move %s %lld", text, (long long)json_integer_value(node));
    if (admin_execute(request, &command, what, answer, &result))
        admin_answer_json(answer, 200, json_pack("{s:s,s:I}", "address", text, "node", json_integer_value(node)));
}

void admin_address_move(struct admin_request *request, struct admin_answer *answer)
{
    json_t *document = admin_body(request, answer);
    if (document == NULL)
        return;
    address_move_from(request, document, answer);
    json_decref(document);
}
