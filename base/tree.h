/* tree.h: an ordered tree of byte-string keys whose links lie inside the elements; the tree owns nothing. It is a treap:
 * the priorities come from a counter, so the shape depends on nothing that a client chooses, and equal histories give
 * equal trees. Every function is a loop; expected depth is about 2.8 log2(count). Pure. */
#ifndef BASE_TREE_H
#define BASE_TREE_H

#include "base/slice.h"

struct tree_node {
    struct tree_node *left;
    struct tree_node *right;
    uint64_t priority;
    struct slice key; /* set by the owner before tree_insert; must not change while in the tree */
};

struct tree {
    struct tree_node *root;
    size_t count;
    uint64_t inserted; /* since tree_init: source of the priorities */
};

void tree_init(struct tree *tree);

/* The element with this key, or NULL. */
struct tree_node *tree_find(const struct tree *tree, struct slice key);

/* The first element whose key is at or after `key`, in the order of slice_compare; NULL if there is none. */
struct tree_node *tree_at_or_after(const struct tree *tree, struct slice key);

/* The first element whose key is after `key`. */
struct tree_node *tree_after(const struct tree *tree, struct slice key);

/* Adds an element whose key is not in the tree yet (CHECK). */
void tree_insert(struct tree *tree, struct tree_node *node);

/* Takes an element out (CHECK that it is in). */
void tree_remove(struct tree *tree, struct tree_node *node);

#endif
