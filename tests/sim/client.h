/* client.h: one client: its connections, its session, its requests on their way, again and again until they are
 * answered. */
#ifndef TESTS_SIM_CLIENT_H
#define TESTS_SIM_CLIENT_H

#include "tests/sim/population.h"

void client_init(struct client *client, struct population *population, uint32_t number);
void client_fini(struct client *client);
void client_start(struct client *client);

/* The client forgets everything and begins anew; with a new verifier as after a reboot. */
void client_reboot(struct client *client, bool new_verifier);
/* It does nothing for longer than a lease. */
void client_sleep(struct client *client);

/* It goes to another node, if there is one, and sends there again what is not answered. */
void client_move(struct client *client);

/* The network's word. */
void client_opened(struct client *client, struct wire *wire);
void client_received(struct client *client, struct wire *wire, struct slice bytes);
void client_closed(struct client *client, struct wire *wire);

#endif
