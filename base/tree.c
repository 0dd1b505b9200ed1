#include "base/tree.h"

#include "base/check.h"

void tree_init(struct tree *tree)
{
    *tree = (struct tree){0};
}

struct tree_node *tree_find(const struct tree *tree, struct slice key)
{
    struct tree_node *node = tree->root;
    while (node != NULL) {
        int order = slice_compare(key, node->key);
        if (order == 0)
            return node;
        node = order < 0 ? node->left : node->right;
    }
    return NULL;
}

/* The first element whose key is after `key`, or equal to it if `equal_counts`. */
static struct tree_node *tree_bound(const struct tree *tree, struct slice key, bool equal_counts)
{
    struct tree_node *best = NULL;
    struct tree_node *node = tree->root;
    while (node != NULL) {
        int order = slice_compare(node->key, key);
        if (order > 0 || (order == 0 && equal_counts)) {
            best = node;
            node = node->left;
        } else {
            node = node->right;
        }
    }
    return best;
}

struct tree_node *tree_at_or_after(const struct tree *tree, struct slice key)
{
    return tree_bound(tree, key, true);
}

struct tree_node *tree_after(const struct tree *tree, struct slice key)
{
    return tree_bound(tree, key, false);
}

/* The finaliser of SplitMix64 (Steele et al. 2014): a bijection, so no two elements have equal priorities. */
static uint64_t tree_priority(uint64_t number)
{
    uint64_t mixed = number * UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

void tree_insert(struct tree *tree, struct tree_node *node)
{
    tree->inserted++;
    node->priority = tree_priority(tree->inserted);

    struct tree_node **link = &tree->root;
    while (*link != NULL && (*link)->priority > node->priority) {
        int order = slice_compare(node->key, (*link)->key);
        CHECK(order != 0);
        link = order < 0 ? &(*link)->left : &(*link)->right;
    }

    /* The node takes this place; what was here is split by its key into what becomes its two sides. */
    struct tree_node *rest = *link;
    *link = node;
    struct tree_node **lower = &node->left;
    struct tree_node **upper = &node->right;
    while (rest != NULL) {
        int order = slice_compare(node->key, rest->key);
        CHECK(order != 0);
        if (order < 0) {
            *upper = rest;
            upper = &rest->left;
            rest = rest->left;
        } else {
            *lower = rest;
            lower = &rest->right;
            rest = rest->right;
        }
    }
    *lower = NULL;
    *upper = NULL;
    tree->count++;
}

void tree_remove(struct tree *tree, struct tree_node *node)
{
    struct tree_node **link = &tree->root;
    while (*link != node) {
        CHECK(*link != NULL);
        link = slice_compare(node->key, (*link)->key) < 0 ? &(*link)->left : &(*link)->right;
    }

    /* Its two sides are merged into its place: all keys on the left are below all on the right. */
    struct tree_node *left = node->left;
    struct tree_node *right = node->right;
    while (left != NULL && right != NULL) {
        if (left->priority > right->priority) {
            *link = left;
            link = &left->right;
            left = left->right;
        } else {
            *link = right;
            link = &right->left;
            right = right->left;
        }
    }
    *link = left != NULL ? left : right;
    node->left = node->right = NULL;
    CHECK(tree->count > 0);
    tree->count--;
}
