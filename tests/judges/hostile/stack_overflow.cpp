// expect: runtime_error
int deeper(int n) { volatile char frame[4096]; frame[0] = n; return deeper(n + 1) + frame[0]; }
int main() { return deeper(0); }
