#include "cluster/address_net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netpacket/packet.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TROUBLE_BYTES (ADDRESS_TROUBLE_MAX_BYTES + 1)
/* An answer to one request is an error message of this size at most. */
#define NETLINK_ANSWER_BYTES 4096u

void address_net_init(struct address_net *net)
{
    *net = (struct address_net){.tun = -1};
}

void address_net_fini(struct address_net *net)
{
    if (net->tun >= 0)
        close(net->tun);
    net->tun = -1;
}

/* --- looking --- */

static bool has_right(unsigned capability)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    return syscall(SYS_capget, &head, data) == 0 && (data[capability / 32].effective >> capability % 32 & 1) != 0;
}

static uint32_t number_of(const void *bytes)
{
    uint32_t number;
    memcpy(&number, bytes, sizeof(number));
    return ntohl(number);
}

static bool same_network(uint32_t one, uint32_t other, unsigned prefix_bits)
{
    return prefix_bits == 0 || (one ^ other) >> (32 - prefix_bits) == 0;
}

/* The device that has an address of its own in the network. */
static bool device_find(const uint8_t bytes[4], unsigned prefix_bits, char *found)
{
    struct ifaddrs *all;
    bool is_found = false;
    if (getifaddrs(&all) != 0)
        return false;
    for (const struct ifaddrs *at = all; at != NULL && !is_found; at = at->ifa_next) {
        if (at->ifa_addr == NULL || at->ifa_addr->sa_family != AF_INET || (at->ifa_flags & IFF_POINTOPOINT) != 0)
            continue;
        const struct sockaddr_in *own = (const struct sockaddr_in *)(const void *)at->ifa_addr;
        if (!same_network(ntohl(own->sin_addr.s_addr), number_of(bytes), prefix_bits))
            continue;
        snprintf(found, ADDRESS_DEVICE_MAX_BYTES + 1, "%s", at->ifa_name);
        is_found = true;
    }
    freeifaddrs(all);
    return is_found;
}

static bool device_flags(const char *device, unsigned *flags)
{
    struct ifreq request = {0};
    int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return false;
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
    bool ok = ioctl(descriptor, SIOCGIFFLAGS, &request) == 0;
    *flags = (unsigned)(unsigned short)request.ifr_flags;
    close(descriptor);
    return ok;
}

/* A setting of IPv4 for the device; the larger of its own and that for all devices counts. */
static int device_setting(const char *device, const char *name)
{
    const char *const scopes[] = {"all", device};
    int most = 0;
    for (size_t i = 0; i < 2; i++) {
        char path[128];
        int value = 0;
        snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/%s", scopes[i], name);
        FILE *file = fopen(path, "re");
        if (file == NULL)
            continue;
        if (fscanf(file, "%d", &value) == 1 && value > most)
            most = value;
        fclose(file);
    }
    return most;
}

bool address_net_look(const uint8_t bytes[4], unsigned prefix_bits, const char *device, char *found, char *trouble)
{
    unsigned flags = 0;
    trouble[0] = '\0';
    snprintf(found, ADDRESS_DEVICE_MAX_BYTES + 1, "%s", device);
    if (!has_right(CAP_NET_ADMIN) || !has_right(CAP_NET_RAW))
        snprintf(trouble, TROUBLE_BYTES, "the server lacks CAP_NET_ADMIN or CAP_NET_RAW");
    else if (access("/dev/net/tun", R_OK | W_OK) != 0)
        snprintf(trouble, TROUBLE_BYTES, "/dev/net/tun cannot be opened");
    else if (device[0] == '\0' && !device_find(bytes, prefix_bits, found))
        snprintf(trouble, TROUBLE_BYTES, "no device has an address in this network");
    else if (!device_flags(found, &flags))
        snprintf(trouble, TROUBLE_BYTES, "there is no device %s", found);
    else if ((flags & IFF_UP) == 0)
        snprintf(trouble, TROUBLE_BYTES, "device %s is down", found);
    else if ((flags & IFF_RUNNING) == 0)
        snprintf(trouble, TROUBLE_BYTES, "device %s has no link", found);
    else if (device_setting(found, "arp_ignore") != 0)
        snprintf(trouble, TROUBLE_BYTES, "net.ipv4.conf.%s.arp_ignore or that of all is not 0", found);
    return trouble[0] == '\0';
}

/* --- netlink --- */

struct address_request {
    struct nlmsghdr head;
    struct ifaddrmsg message;
    uint8_t attributes[64];
};

static void request_put(struct address_request *request, unsigned short type, const void *value, size_t size)
{
    size_t at = NLMSG_ALIGN(request->head.nlmsg_len);
    struct rtattr attribute = {.rta_len = (unsigned short)RTA_LENGTH(size), .rta_type = type};
    memcpy((uint8_t *)request + at, &attribute, sizeof(attribute));
    memcpy((uint8_t *)request + at + RTA_LENGTH(0), value, size);
    request->head.nlmsg_len = (uint32_t)(at + RTA_ALIGN(RTA_LENGTH(size)));
}

/* Sends one request and waits for the kernel's answer; 0 or an errno. */
static int netlink_do(const struct address_request *request)
{
    uint8_t answer[NETLINK_ANSWER_BYTES];
    int descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (descriptor < 0)
        return errno;
    int result = EIO;
    if (send(descriptor, request, request->head.nlmsg_len, 0) < 0) {
        result = errno;
    } else {
        ssize_t size = recv(descriptor, answer, sizeof(answer), 0);
        struct nlmsghdr head;
        struct nlmsgerr error;
        if (size >= (ssize_t)(sizeof(head) + sizeof(error))) {
            memcpy(&head, answer, sizeof(head));
            memcpy(&error, answer + NLMSG_HDRLEN, sizeof(error));
            if (head.nlmsg_type == NLMSG_ERROR)
                result = -error.error;
        }
    }
    close(descriptor);
    return result;
}

static int address_change(struct address_net *net, unsigned short kind, unsigned short flags, const uint8_t bytes[4])
{
    struct ifa_cacheinfo life = {.ifa_valid = ADDRESS_LIFE_SECONDS, .ifa_prefered = ADDRESS_LIFE_SECONDS};
    struct address_request request = {
        .head = {.nlmsg_len = NLMSG_LENGTH(sizeof(request.message)),
                 .nlmsg_type = kind,
                 .nlmsg_flags = (unsigned short)(NLM_F_REQUEST | NLM_F_ACK | flags),
                 .nlmsg_seq = ++net->sequence},
        .message = {.ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = net->tun_index},
    };
    request_put(&request, IFA_LOCAL, bytes, 4);
    request_put(&request, IFA_ADDRESS, bytes, 4);
    if (kind == RTM_NEWADDR)
        request_put(&request, IFA_CACHEINFO, &life, sizeof(life));
    return netlink_do(&request);
}

/* --- the device --- */

/* Its descriptor becomes the highest that the process may have. */
static int descriptor_raise(int descriptor)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < 2 || limit.rlim_cur > INT32_MAX)
        return descriptor;
    int high = fcntl(descriptor, F_DUPFD_CLOEXEC, (int)limit.rlim_cur - 1);
    if (high < 0)
        return descriptor;
    close(descriptor);
    return high;
}

static bool tun_up(const char *name)
{
    struct ifreq request = {0};
    int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return false;
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    request.ifr_flags = IFF_UP | IFF_NOARP;
    bool ok = ioctl(descriptor, SIOCSIFFLAGS, &request) == 0;
    close(descriptor);
    return ok;
}

static bool tun_make(struct address_net *net, char *trouble)
{
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    if (net->tun >= 0)
        return true;
    snprintf(request.ifr_name, sizeof(request.ifr_name), "qnfs%%d");
    int descriptor = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    bool ok = descriptor >= 0 && ioctl(descriptor, TUNSETIFF, &request) == 0 && tun_up(request.ifr_name);
    if (!ok) {
        snprintf(trouble, TROUBLE_BYTES, "the device for the addresses cannot be made: errno %d", errno);
        if (descriptor >= 0)
            close(descriptor);
        return false;
    }
    net->tun = descriptor_raise(descriptor);
    net->tun_index = if_nametoindex(request.ifr_name);
    return true;
}

bool address_net_add(struct address_net *net, const uint8_t bytes[4], char *trouble)
{
    trouble[0] = '\0';
    if (!tun_make(net, trouble))
        return false;
    int error = address_change(net, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, bytes);
    if (error != 0)
        snprintf(trouble, TROUBLE_BYTES, "the kernel refuses the address: errno %d", error);
    return error == 0;
}

void address_net_remove(struct address_net *net, const uint8_t bytes[4])
{
    if (net->tun >= 0)
        address_change(net, RTM_DELADDR, 0, bytes);
}

/* --- ARP --- */

static bool device_hardware(int descriptor, const char *device, uint8_t hardware[6])
{
    struct ifreq request = {0};
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
    if (ioctl(descriptor, SIOCGIFHWADDR, &request) != 0 || request.ifr_hwaddr.sa_family != ARPHRD_ETHER)
        return false;
    memcpy(hardware, request.ifr_hwaddr.sa_data, 6);
    return true;
}

void address_net_announce(const uint8_t bytes[4], const char *device)
{
    struct ether_arp arp = {
        .ea_hdr = {.ar_hrd = htons(ARPHRD_ETHER), .ar_pro = htons(ETHERTYPE_IP), .ar_hln = 6, .ar_pln = 4}};
    struct sockaddr_ll target = {.sll_family = AF_PACKET,
                                 .sll_protocol = htons(ETH_P_ARP),
                                 .sll_ifindex = (int)if_nametoindex(device),
                                 .sll_halen = 6};
    int descriptor = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0)
        return; /* the next one comes soon */
    if (device_hardware(descriptor, device, arp.arp_sha)) {
        memset(target.sll_addr, 0xff, 6);
        memcpy(arp.arp_spa, bytes, 4);
        memcpy(arp.arp_tpa, bytes, 4);
        arp.ea_hdr.ar_op = htons(ARPOP_REQUEST);
        (void)!sendto(descriptor, &arp, sizeof(arp), 0, (const struct sockaddr *)&target, sizeof(target));
        memcpy(arp.arp_tha, arp.arp_sha, 6);
        arp.ea_hdr.ar_op = htons(ARPOP_REPLY);
        (void)!sendto(descriptor, &arp, sizeof(arp), 0, (const struct sockaddr *)&target, sizeof(target));
    }
    close(descriptor);
}

/* --- tickle ACK --- */

/* RFC 1071. */
static uint16_t checksum(const uint16_t *words, size_t count)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += words[i];
    sum = (sum >> 16) + (sum & 0xffff);
    return (uint16_t) ~(sum + (sum >> 16));
}

void address_net_tickle(const uint8_t local[4], uint16_t local_port, const uint8_t remote[4], uint16_t remote_port)
{
    struct {
        struct iphdr ip;
        struct tcphdr tcp;
    } packet = {.ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP, .tot_len = htons(sizeof(packet))},
                .tcp = {.source = htons(local_port), .dest = htons(remote_port), .doff = 5, .ack = 1}};
    struct {
        uint8_t source[4];
        uint8_t target[4];
        uint16_t protocol;
        uint16_t size;
        struct tcphdr tcp;
    } summed = {.protocol = htons(IPPROTO_TCP), .size = htons(sizeof(struct tcphdr)), .tcp = packet.tcp};
    uint16_t words[sizeof(summed) / 2];
    struct sockaddr_in target = {.sin_family = AF_INET};
    int descriptor = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
    if (descriptor < 0)
        return; /* the next one comes soon */
    memcpy(summed.source, local, 4);
    memcpy(summed.target, remote, 4);
    memcpy(words, &summed, sizeof(words));
    packet.tcp.check = checksum(words, sizeof(words) / 2);
    memcpy(&packet.ip.saddr, local, 4);
    memcpy(&packet.ip.daddr, remote, 4);
    memcpy(&target.sin_addr, remote, 4);
    (void)!sendto(descriptor, &packet, sizeof(packet), 0, (const struct sockaddr *)&target, sizeof(target));
    close(descriptor);
}
