// expect: memory_limit
#include <cstring>
#include <new>
int main() { for (;;) try { memset(new char[1 << 22], 1, 1 << 22); } catch (std::bad_alloc &) {} }
