/* address_net.h: floating addresses and the kernel: netlink, ARP, and the device that takes them along when the process ends.
 *
 * The addresses are not on the device that the clients reach, but as /32 on a TUN device of this process. The kernel answers ARP
 * for any of the host's addresses on all devices (unless arp_ignore is set there). The TUN device is not persistent: it goes
 * with its last descriptor, and that one is the highest of the process, for the kernel works the end of a process's
 * descriptors off from the highest one down. So after kill -9 the address is gone before the first connection is closed, and no
 * FIN and no RST can leave from it. A process that is stopped loses the addresses by their end of life. */
#ifndef CLUSTER_ADDRESS_NET_H
#define CLUSTER_ADDRESS_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"

struct address_net {
    int tun; /* -1: not made yet */
    unsigned tun_index;
    uint32_t sequence; /* of netlink requests */
};

/* Nothing is made before the first address_net_add. */
void address_net_init(struct address_net *net);
/* Takes all addresses away. */
void address_net_fini(struct address_net *net);

/* Whether this host could have the address: rights, a device (found by the network if `device` is empty) that is up and has its
 * link, ARP settings. False: `trouble` (ADDRESS_TROUBLE_MAX_BYTES + 1) is a sentence. `found` (ADDRESS_DEVICE_MAX_BYTES + 1)
 * is the device. */
bool address_net_look(const uint8_t bytes[4], unsigned prefix_bits, const char *device, char *found, char *trouble);

/* The address is on, or is renewed: for ADDRESS_LIFE_SECONDS from now. False: `trouble` as above. */
bool address_net_add(struct address_net *net, const uint8_t bytes[4], char *trouble);
void address_net_remove(struct address_net *net, const uint8_t bytes[4]);

/* Gratuitous ARP, as a request and as an answer: some hosts take only one of them (RFC 5227 section 3). */
void address_net_announce(const uint8_t bytes[4], const char *device);

/* A tickle ACK, from the address to a client's end of a connection that this host does not have: the client's kernel answers
 * with the numbers that it expects, this host's kernel that there is no such connection, and the client connects anew. */
void address_net_tickle(const uint8_t local[4], uint16_t local_port, const uint8_t remote[4], uint16_t remote_port);

#endif
